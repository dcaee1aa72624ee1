// The options that say which leases are meant, for every verb that asks for leases.
#pragma once

#include "client/option_reader.hpp"
#include "client/verb.hpp"
#include "proto/messages.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portd::client {

inline constexpr std::array<VerbOption, 14> filter_options{{
    {"--proto", "tcp|udp", "only this protocol", &Typed::protocol},
    {"--pid", "PID", "only leases that a process with this id held", &Typed::pid},
    {"--exe", "PATH", "…that this program held: its path, or the last part of it",
     &Typed::executable},
    {"--comm", "NAME", "…that a process with this command name held", &Typed::command},
    {"--unit", "UNIT", "…that a process of this systemd unit held", &Typed::unit},
    {"--container", "ID", "…of this container: its name, or its id or 4 or more digits of that",
     &Typed::container},
    {"--user", "USER", "only leases of sockets of this user, by name or uid", &Typed::user},
    {"--netns", "NETNS", "only in this network namespace, by inode number or name",
     &Typed::network_namespace},
    {"--peer", "ADDR[:PORT]", "only with this peer; also ADDR/BITS and :PORT", &Typed::peer},
    {"--local", "ADDR", "only at this local address; also ADDR/BITS", &Typed::local},
    {"--role", "ROLE", "only client, listener, accepted or datagram", &Typed::role},
    {"--outcome", "OUTCOME", "only closed, refused, reset, timedOut, unreachable or abandoned",
     &Typed::outcome},
    {"--shorter-than", "SPAN", "only leases that were held shorter than that",
     &Typed::shorter_than},
    {"--longer-than", "SPAN", "only leases that were held longer than that", &Typed::longer_than},
}};

// Those of one verb, in the order of its help.
template <std::size_t Before, std::size_t After>
constexpr std::array<VerbOption, Before + filter_options.size() + After>
with_filters(const std::array<VerbOption, Before> &before,
             const std::array<VerbOption, After> &after) {
    std::array<VerbOption, Before + filter_options.size() + After> all{};
    std::size_t count = 0;
    for (const VerbOption &option : before)
        all[count++] = option;
    for (const VerbOption &option : filter_options)
        all[count++] = option;
    for (const VerbOption &option : after)
        all[count++] = option;
    return all;
}

// Which network namespace is meant by a name: one that portd has seen with it, or the one that has
// it in /run/netns now, if any does. By its inode number, everybody may ask for that.
enum class NamespaceName { of_history, of_now };

// `port_option`: what the port is called on the command line.
proto::LeaseFilter read_filter(const Typed &typed, std::string_view port_option,
                               OptionReader &reader,
                               NamespaceName meant = NamespaceName::of_history);

// Whether what follows --netns is an inode number, or else a name.
bool is_inode(const std::string &netns);
// Of --netns alone.
void read_namespace(const std::optional<std::string> &text, NamespaceName meant,
                    proto::LeaseFilter &filter, OptionReader &reader);
// For what is asked by the inode number only: a name must be one that is in /run/netns now.
std::optional<std::int64_t> read_inode(const std::optional<std::string> &text,
                                       OptionReader &reader);

// Whether it asks for anything but port, protocol and pid.
bool has_more_filters(const proto::LeaseFilter &filter);

} // namespace portd::client
