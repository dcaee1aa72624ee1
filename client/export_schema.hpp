// Leases and gaps in the words of others, as JSON documents. Pure.
//
// What is not known is left out. A time that portd did not see happen is given by its bounds, under
// names of portd's own; the fields that others define for an instant have only instants.
#pragma once

#include "proto/messages.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace portd::client {

// A flat object whose names are attributes of OpenTelemetry's semantic conventions, and what they
// have no names for below "portd.".
nlohmann::json to_otel(const proto::Lease &lease);
nlohmann::json to_otel(const proto::Gap &gap);

// A document of the Elastic Common Schema, and what that has no fields for below "portd".
nlohmann::json to_ecs(const proto::Lease &lease);
nlohmann::json to_ecs(const proto::Gap &gap);

// The same for one gap, whenever it is exported.
std::string gap_id(const proto::Gap &gap);

} // namespace portd::client
