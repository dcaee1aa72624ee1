// Texts of /proc: process files, control groups, socket tables, descriptor links, arguments.
#include "capture/control_group.hpp"
#include "capture/proc_net.hpp"
#include "capture/process_reader.hpp"
#include "capture/redact.hpp"
#include "capture/socket_links.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace portd;
using namespace portd::capture;

void check(bool condition) {
    if (!condition)
        std::abort();
}

void process_files(std::string_view text) {
    if (const auto stat = parse_stat(text)) {
        // The fields decide, whatever the command is.
        const auto again = parse_stat(
            std::to_string(stat->pid) + " (a) b) " + stat->state + ' ' +
            std::to_string(stat->parent) + " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 " +
            std::to_string(stat->threads) + " 0 " + std::to_string(stat->started_at_ticks) +
            " 0 0 0 " + std::to_string(stat->start_code) + " 0 " +
            std::to_string(stat->start_stack));
        check(again.has_value());
        check(again->command == "a) b");
        auto expected = *stat;
        expected.command = again->command;
        check(*again == expected);
    }
    if (const auto owner = parse_status(text))
        check(parse_status("\nUid: 0 " + std::to_string(owner->uid) + "\nGid: 0 " +
                           std::to_string(owner->gid)) == owner);
    if (const auto uid = parse_login_uid(text))
        check(parse_login_uid(std::to_string(*uid)) == uid);
    if (const auto inode = parse_socket_link(text))
        check(parse_socket_link("socket:[" + std::to_string(*inode) + "]") == inode);
}

void control_groups(std::string_view text) {
    if (const auto group = parse_control_group(text)) {
        check(group->starts_with('/'));
        check(group->find('\n') == std::string::npos);
        check(text.find(*group) != std::string_view::npos);
    }
    if (const auto unit = unit_of(text)) {
        check(unit->size() <= 255 && unit->find('/') == std::string::npos);
        check(text.find(*unit) != std::string_view::npos);
        check(unit_of("/a.slice/_" + *unit) == unit); // as systemd escapes it
    }
    if (const auto slice = slice_of(text)) {
        check(slice->size() <= 255 && slice->ends_with(".slice"));
        check(slice_of("/_" + *slice) == slice);
    }
    if (const auto container = container_of(text))
        check(!container->empty());
}

void socket_tables(std::string_view text) {
    for (const auto family : {Family::ipv4, Family::ipv6}) {
        const auto table = parse_proc_net(text, family);
        std::size_t lines = 0;
        for (const char c : text)
            lines += c == '\n' ? 1 : 0;
        const auto read = table.rows.size() + table.malformed_rows;
        check(read == lines || read + 1 == lines);
        check(table.truncated == (text.empty() || text.back() != '\n'));
        for (const auto &row : table.rows)
            check(row.local.address.family == family && row.peer.address.family == family);
    }
}

void arguments(std::string_view text) {
    const auto words = split_arguments(text);
    check(words.empty() || !words.back().empty());
    check(redact(words).size() <= text.size() * 4 + 4);
    // Whatever it is made of, the value of such an option is hidden.
    std::string value(text);
    std::erase(value, '\0');
    const bool is_quoted = value.starts_with('"') || value.starts_with('\'') ||
                           value.starts_with('`') || value.starts_with('\\') ||
                           value.starts_with(' ') ||
                           (!value.empty() && value[0] >= '\t' && value[0] <= '\r');
    if (is_quoted)
        return;
    const auto option = "--password=" + value;
    const std::vector<std::string_view> both{"p", option, "z"};
    check(redact(both) == "p --password=*** z");
    if (value.starts_with("--"))
        return;
    const std::vector<std::string_view> separate{"p", "--token", value, "z"};
    check(redact(separate) == "p --token *** z");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string text(data, data + size);
    process_files(text);
    control_groups(text);
    socket_tables(text);
    arguments(text);
    return 0;
}
