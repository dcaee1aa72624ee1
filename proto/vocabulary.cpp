#include "proto/vocabulary.hpp"

#include "proto/event.hpp"

#include <array>
#include <cstddef>

namespace portd {
namespace {

// One table an enumeration, in the order of its values; to_string and parse_word both read it.
template <typename Enum>
struct Words;

template <>
struct Words<Protocol> {
    static constexpr std::array<std::string_view, 2> table{"tcp", "udp"};
};
template <>
struct Words<Family> {
    static constexpr std::array<std::string_view, 2> table{"ipv4", "ipv6"};
};
template <>
struct Words<Role> {
    static constexpr std::array<std::string_view, 4> table{"client", "listener", "accepted",
                                                           "datagram"};
};
template <>
struct Words<PortChoice> {
    static constexpr std::array<std::string_view, 2> table{"automatic", "explicit"};
};
template <>
struct Words<PortChosenBy> {
    static constexpr std::array<std::string_view, 4> table{"bind", "listen", "connect", "send"};
};
template <>
struct Words<TimeWaitReuse> {
    static constexpr std::array<std::string_view, 3> table{"never", "always", "loopback"};
};
template <>
struct Words<Phase> {
    static constexpr std::array<std::string_view, 7> table{
        "bound", "listening", "connecting", "connected", "closing", "lingering", "freed"};
};
template <>
struct Words<Outcome> {
    static constexpr std::array<std::string_view, 6> table{"closed",   "refused",     "reset",
                                                           "timedOut", "unreachable", "abandoned"};
};
template <>
struct Words<Provenance> {
    static constexpr std::array<std::string_view, 4> table{"observed", "sampled", "inferred",
                                                           "unknown"};
};
template <>
struct Words<Event> {
    static constexpr std::array<std::string_view, 5> table{"open", "ready", "opened", "ended",
                                                           "gap"};
};
template <>
struct Words<CaptureTier> {
    static constexpr std::array<std::string_view, 3> table{"ebpf", "sock_diag", "procfs"};
};
template <>
struct Words<AuditBy> {
    static constexpr std::array<std::string_view, 4> table{"program", "unit", "user", "peer"};
};
template <>
struct Words<AuditOrder> {
    static constexpr std::array<std::string_view, 4> table{"leases", "failures", "bytes",
                                                           "longest"};
};
template <>
struct Words<BindVerdict> {
    static constexpr std::array<std::string_view, 3> table{"blocks", "mayBlock", "doesNotBlock"};
};
template <>
struct Words<BindReason> {
    static constexpr std::array<std::string_view, 10> table{
        "sameAddress",    "wildcardHeld", "wildcardAsked", "dualStackHeld", "dualStackAsked",
        "ipv6Connection", "otherAddress", "otherFamily",   "otherProtocol", "otherNamespace"};
};

template <>
struct Words<Confidence> {
    static constexpr std::array<std::string_view, 8> table{"exact",       "likely",   "ambiguous",
                                                           "unknown",     "withheld", "unwatched",
                                                           "notRecorded", "nobody"};
};
template <>
struct Words<AttributionReason> {
    static constexpr std::array<std::string_view, 11> table{
        "tuple",     "localEnd", "otherPeer", "dualStack", "portOnly",    "addressNotLocal",
        "lingering", "skewed",   "sampled",   "inferred",  "noConnection"};
};
template <>
struct Words<FlowSide> {
    static constexpr std::array<std::string_view, 2> table{"source", "destination"};
};

template <typename Enum>
std::string_view word(Enum value) {
    return Words<Enum>::table.at(static_cast<std::size_t>(value));
}

} // namespace

std::string_view to_string(Protocol value) {
    return word(value);
}
std::string_view to_string(Family value) {
    return word(value);
}
std::string_view to_string(Role value) {
    return word(value);
}
std::string_view to_string(PortChoice value) {
    return word(value);
}
std::string_view to_string(PortChosenBy value) {
    return word(value);
}
std::string_view to_string(TimeWaitReuse value) {
    return word(value);
}
std::string_view to_string(Phase value) {
    return word(value);
}
std::string_view to_string(Outcome value) {
    return word(value);
}
std::string_view to_string(Provenance value) {
    return word(value);
}
std::string_view to_string(Event value) {
    return word(value);
}
std::string_view to_string(CaptureTier value) {
    return word(value);
}
std::string_view to_string(AuditBy value) {
    return word(value);
}
std::string_view to_string(AuditOrder value) {
    return word(value);
}
std::string_view to_string(BindVerdict value) {
    return word(value);
}
std::string_view to_string(BindReason value) {
    return word(value);
}
std::string_view to_string(Confidence value) {
    return word(value);
}
std::string_view to_string(AttributionReason value) {
    return word(value);
}
std::string_view to_string(FlowSide value) {
    return word(value);
}

template <typename Enum>
std::optional<Enum> parse_word(std::string_view text) {
    const auto &table = Words<Enum>::table;
    for (std::size_t i = 0; i < table.size(); ++i)
        if (table[i] == text)
            return static_cast<Enum>(i);
    return std::nullopt;
}

template std::optional<Protocol> parse_word(std::string_view);
template std::optional<Family> parse_word(std::string_view);
template std::optional<Role> parse_word(std::string_view);
template std::optional<PortChoice> parse_word(std::string_view);
template std::optional<PortChosenBy> parse_word(std::string_view);
template std::optional<TimeWaitReuse> parse_word(std::string_view);
template std::optional<Phase> parse_word(std::string_view);
template std::optional<Outcome> parse_word(std::string_view);
template std::optional<Provenance> parse_word(std::string_view);
template std::optional<Event> parse_word(std::string_view);
template std::optional<CaptureTier> parse_word(std::string_view);
template std::optional<AuditBy> parse_word(std::string_view);
template std::optional<AuditOrder> parse_word(std::string_view);
template std::optional<BindVerdict> parse_word(std::string_view);
template std::optional<BindReason> parse_word(std::string_view);
template std::optional<Confidence> parse_word(std::string_view);
template std::optional<AttributionReason> parse_word(std::string_view);
template std::optional<FlowSide> parse_word(std::string_view);

} // namespace portd
