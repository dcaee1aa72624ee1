// Messages for tests, fully populated.
#pragma once

#include "proto/answers.hpp"
#include "proto/attribution.hpp"
#include "proto/messages.hpp"

namespace portd::proto::samples {

// Every optional field present, every list filled.
Moment moment();
Process process();
Lease lease();
BindFailure bind_failure();
Coverage coverage();
HistoryRequest history_request();
ListRequest list_request();
AuditRequest audit_request();
AuditReply audit_reply();
WhyRequest why_request();
WhyReply why_reply();
ConflictsReply conflicts_reply();
PressureRequest pressure_request();
PressureReply pressure_reply();
AttributeRequest attribute_request();
AttributeReply attribute_reply();
VerifyReply verify_reply();
WatchRequest watch_request();
ExportRequest export_request();
WatchReply watch_reply();
ExportReply export_reply();
WhoReply who_reply();
Explanation explanation();
Status status();

} // namespace portd::proto::samples
