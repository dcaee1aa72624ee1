#include "client/lease_filter.hpp"

#include <algorithm>
#include <string>

#include <sys/stat.h>

namespace portd::client {
namespace {

// As systemctl(1) does it: what is no name of a unit is that of a service.
std::string unit_name(const std::string &typed) {
    constexpr std::array<std::string_view, 6> types{".service", ".scope", ".socket",
                                                    ".mount",   ".swap",  ".slice"};
    const bool is_whole =
        std::ranges::any_of(types, [&](std::string_view type) { return typed.ends_with(type); });
    return is_whole ? typed : typed + ".service";
}

// As ip-netns(8) keeps them.
std::optional<std::int64_t> inode_in_run(const std::string &name) {
    struct stat status {};
    if (name.find('/') != std::string::npos || name == "." || name == ".." ||
        ::stat(("/run/netns/" + name).c_str(), &status) != 0)
        return std::nullopt;
    return static_cast<std::int64_t>(status.st_ino);
}

} // namespace

bool is_inode(const std::string &netns) {
    return netns.find_first_not_of("0123456789") == std::string::npos;
}

void read_namespace(const std::optional<std::string> &text, NamespaceName meant,
                    proto::LeaseFilter &filter, OptionReader &reader) {
    constexpr std::int64_t largest_inode = 4'294'967'295;
    reader.name("--netns", text, "the inode number or the name of a network namespace");
    if (!text)
        return;
    if (!is_inode(*text)) {
        if (meant == NamespaceName::of_now)
            filter.network_namespace = inode_in_run(*text);
        if (!filter.network_namespace)
            filter.network_namespace_name = text;
        return;
    }
    filter.network_namespace = reader.positive("--netns", text);
    if (filter.network_namespace > largest_inode)
        reader.refuse("--netns " + *text + " is no inode number; they end at " +
                      std::to_string(largest_inode));
}

std::optional<std::int64_t> read_inode(const std::optional<std::string> &text,
                                       OptionReader &reader) {
    proto::LeaseFilter filter;
    read_namespace(text, NamespaceName::of_now, filter, reader);
    if (filter.network_namespace_name)
        reader.refuse("--netns " + in_quotes(*text) +
                      " is neither an inode number nor a name in /run/netns; see ls -i /run/netns, "
                      "or lsns -t net");
    return filter.network_namespace;
}

proto::LeaseFilter read_filter(const Typed &typed, std::string_view port_option,
                               OptionReader &reader, NamespaceName meant) {
    proto::LeaseFilter filter;
    filter.port = reader.port(port_option, typed.port);
    filter.protocol = reader.protocol(typed.protocol);
    filter.pid = reader.positive("--pid", typed.pid);
    filter.executable =
        reader.name("--exe", typed.executable, "the path of a program, or the last part of it");
    filter.command = reader.name("--comm", typed.command, "the command name of a process");
    filter.unit = reader.name("--unit", typed.unit, "the name of a systemd unit");
    if (filter.unit)
        filter.unit = unit_name(*filter.unit);
    filter.container = reader.name("--container", typed.container,
                                   "the id of a container, its beginning, or the container's name");
    filter.uid = reader.user("--user", typed.user);
    read_namespace(typed.network_namespace, meant, filter, reader);
    const OptionReader::Peer peer = reader.peer("--peer", typed.peer);
    filter.peer_address = peer.address;
    filter.peer_port = peer.port;
    filter.local_address = reader.addresses("--local", typed.local);
    filter.role = reader.role(typed.role);
    filter.outcome = reader.outcome(typed.outcome);
    filter.shorter_than_usec = reader.span_above_0("--shorter-than", typed.shorter_than);
    filter.longer_than_usec = reader.span("--longer-than", typed.longer_than);
    return filter;
}

bool has_more_filters(const proto::LeaseFilter &filter) {
    proto::LeaseFilter few;
    few.port = filter.port;
    few.protocol = filter.protocol;
    few.pid = filter.pid;
    return filter != few;
}

} // namespace portd::client
