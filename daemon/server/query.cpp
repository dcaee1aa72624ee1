#include "query.hpp"

#include <optional>
#include <string>

namespace portd::server {
namespace {

using Text = std::optional<std::string>;

// An empty text would be taken for any by some, and for none by others.
std::optional<proto::InvalidField> empty_text(const proto::LeaseFilter &filter) {
    const struct {
        const char *name;
        const Text &text;
    } parameters[] = {{"executable", filter.executable},
                      {"command", filter.command},
                      {"unit", filter.unit},
                      {"container", filter.container},
                      {"networkNamespaceName", filter.network_namespace_name}};
    for (const auto &[name, text] : parameters)
        if (text && text->empty())
            return proto::InvalidField{name, "is empty"};
    return std::nullopt;
}

// False if the text is no range.
bool read_range(const Text &text, std::optional<model::AddressRange> &range) {
    if (text)
        range = model::parse_address_range(*text);
    return range.has_value() == text.has_value();
}

template <typename Number>
std::optional<Number> narrow(std::optional<std::int64_t> value) {
    return value ? std::optional(static_cast<Number>(*value)) : std::nullopt;
}

} // namespace

std::variant<model::LeaseQuery, proto::InvalidField>
query_of(const proto::LeaseFilter &filter, const Caller &caller, std::int64_t now_us) {
    constexpr const char *no_range = "is neither an address nor an address/prefix length";
    if (const auto empty = empty_text(filter))
        return *empty;
    model::LeaseQuery query;
    query.port = narrow<std::uint16_t>(filter.port);
    query.protocol = filter.protocol;
    query.pid = filter.pid;
    query.executable = filter.executable;
    query.command = filter.command;
    query.unit = filter.unit;
    query.container = filter.container;
    query.uid = narrow<std::uint32_t>(filter.uid);
    query.role = filter.role;
    query.outcome = filter.outcome;
    query.network_namespace = narrow<std::uint32_t>(filter.network_namespace);
    query.network_namespace_name = filter.network_namespace_name;
    if (!read_range(filter.peer_address, query.peer))
        return proto::InvalidField{"peerAddress", no_range};
    query.peer_port = narrow<std::uint16_t>(filter.peer_port);
    if (!read_range(filter.local_address, query.local))
        return proto::InvalidField{"localAddress", no_range};
    query.shorter_than_us = filter.shorter_than_usec;
    query.longer_than_us = filter.longer_than_usec;
    query.now_us = now_us;
    query.visible_to_uid = caller.limited_to();
    return query;
}

} // namespace portd::server
