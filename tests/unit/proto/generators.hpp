// Random messages for properties.
#pragma once

#include "proto/answers.hpp"
#include "proto/attribution.hpp"
#include "proto/messages.hpp"

namespace portd::proto::samples {

// Each field of any value that it may have; for use within a property.
Lease any_lease();
BindFailure any_bind_failure();
Coverage any_coverage();
HistoryRequest any_history_request();
ListRequest any_list_request();
WatchRequest any_watch_request();
ExportRequest any_export_request();
WatchReply any_watch_reply();
ExportReply any_export_reply();
LeaseReply any_lease_reply();
AuditRequest any_audit_request();
AuditReply any_audit_reply();
WhyRequest any_why_request();
WhyReply any_why_reply();
ConflictsRequest any_conflicts_request();
ConflictsReply any_conflicts_reply();
PressureRequest any_pressure_request();
PressureReply any_pressure_reply();
AttributeRequest any_attribute_request();
AttributeReply any_attribute_reply();
VerifyReply any_verify_reply();
WhoReply any_who_reply();
Explanation any_explanation();
Status any_status();

} // namespace portd::proto::samples
