// The contents of the method Attribute of io.portd.Ports, and their JSON; see messages.hpp and
// codec.hpp for the conventions.
#pragma once

#include "proto/codec.hpp"
#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace portd::proto {

// What somebody's log says of a flow. Either end, or both, may be sockets of this machine.
struct Flow {
    std::int64_t at_usec = 0;                  // when it was there, or began
    std::optional<std::int64_t> duration_usec; // absent: that instant
    std::optional<Protocol> protocol;
    std::optional<std::string> source_address;
    std::optional<std::int64_t> source_port;
    std::optional<std::string> destination_address;
    std::optional<std::int64_t> destination_port;
    // As the host at the destination sees it, where addresses are translated on the way.
    std::optional<std::string> translated_source_address;
    std::optional<std::int64_t> translated_source_port;
    std::optional<std::string> translated_destination_address;
    std::optional<std::int64_t> translated_destination_port;

    bool operator==(const Flow &) const = default;
};

struct AttributeRequest {
    std::vector<Flow> flows;
    std::optional<std::int64_t> within_usec; // how far the log's clock may be off; absent: 0
    std::optional<std::int64_t> network_namespace;
    std::vector<std::string> local_addresses; // of this machine, or ranges of them

    bool operator==(const AttributeRequest &) const = default;
};

// Who had one end of a flow. Processes are numbers: places in AttributeReply::processes.
struct EndAttribution {
    Confidence confidence = Confidence::nobody;
    std::vector<AttributionReason> reasons;
    std::optional<std::int64_t> process;     // exact and likely: the opener of the socket
    std::optional<std::int64_t> last_holder; // where that is another one
    std::optional<std::string> user;         // owner of the socket
    std::vector<std::int64_t> candidates;    // ambiguous: at most 8
    std::vector<std::string> leases;         // ids, at most 4
    std::int64_t matching = 0;               // leases
    std::vector<std::string> gaps;           // unwatched: their causes
    std::vector<std::int64_t> ports;         // not_recorded: of the flow, those that are not

    bool operator==(const EndAttribution &) const = default;
};

struct FlowAttribution {
    std::int64_t flow = 0; // place in the request
    std::optional<FlowSide> side;
    EndAttribution who;
    std::optional<EndAttribution> responder; // the destination, where the source is here, too

    bool operator==(const FlowAttribution &) const = default;
};

// How far it has come, or (the last one) all flows.
struct AttributeReply {
    std::optional<AuditProgress> progress;
    std::vector<Process> processes;
    std::vector<FlowAttribution> flows;

    bool operator==(const AttributeReply &) const = default;
};

nlohmann::json encode(const AttributeRequest &);
nlohmann::json encode(const AttributeReply &);
// The same as text at once (see codec.hpp): a reply has a thousand flows.
std::string encode_text(const AttributeReply &);
// decode() is instantiated for both, decode_reply() for the reply.

} // namespace portd::proto
