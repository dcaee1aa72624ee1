// What the functions that answer one method each have in common, and their names.
#pragma once

#include "methods.hpp"
#include "proto/codec.hpp"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace portd::server {

struct Request {
    const nlohmann::json &parameters;
    const Caller &caller;
    const Backend &backend;
    std::int64_t now_us;
};

proto::Reply invalid(const proto::InvalidField &field);
// Whether portd keeps leases of what is asked for: a port that it leaves out may have been held
// unseen.
bool is_recorded(const model::LeaseQuery &query, const Backend &backend);

// lease_methods.cpp
Answer history(const Request &request);
Answer list(const Request &request);
Answer audit(const Request &request);
// attribute_method.cpp
Answer attribute(const Request &request);
// change_methods.cpp
Answer watch(const Request &request);
Answer export_(const Request &request);
// port_methods.cpp
Answer who(const Request &request);
Answer explain(const Request &request);
// range_methods.cpp
Answer why(const Request &request);
Answer conflicts(const Request &request);
Answer pressure(const Request &request);

} // namespace portd::server
