// What a call asks for, as a question to the history.
#pragma once

#include "access.hpp"
#include "model/history.hpp"
#include "proto/codec.hpp"

#include <cstdint>
#include <variant>

namespace portd::server {

// Or the parameter that cannot be used. An open lease is as long as it has lasted until `now_us`.
std::variant<model::LeaseQuery, proto::InvalidField>
query_of(const proto::LeaseFilter &filter, const Caller &caller, std::int64_t now_us);

} // namespace portd::server
