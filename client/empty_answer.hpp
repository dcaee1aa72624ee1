// Why an answer can be empty though there was something: what portd leaves out, and what it has
// never heard of.
#pragma once

#include "client/connection.hpp"
#include "client/session.hpp"
#include "proto/messages.hpp"
#include "proto/state.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace portd::client {

// "portd cannot tell who held port 8443: …".
std::string left_out_remark(std::int64_t port);

// Asks portd whether it records the port, and says if not, as a remark. False if it does not: then
// nothing follows from an answer without leases.
bool check_recording(const std::optional<std::int64_t> &port, Connection &connection,
                     Session &session);

// The same, and whether it has heard of the network namespace that the filter names.
bool explain_empty(const proto::LeaseFilter &filter, bool withheld, Connection &connection,
                   Session &session);

// ip_local_port_range of the network namespace, both ends included; nothing where portd does not
// know it.
std::optional<std::pair<std::int64_t, std::int64_t>> local_range(const proto::Status &status,
                                                                 std::int64_t network_namespace);

// Of these ports of a network namespace, both ends included, those that the setting `ports` of the
// daemon leaves out.
struct LeftOut {
    std::int64_t count = 0;
    std::string ports; // "80,8000-8099"
};
LeftOut left_out_ports(const proto::Status &status, std::int64_t network_namespace,
                       std::int64_t low, std::int64_t high);

} // namespace portd::client
