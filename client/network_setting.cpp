#include "client/network_setting.hpp"

#include "client/format.hpp"

#include <algorithm>

namespace portd::client {
namespace {

// As one word of a shell.
std::string shell_word(const std::string &text) {
    const bool is_plain = std::ranges::all_of(text, [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
    if (is_plain)
        return text;
    std::string word = "'";
    for (const char c : text)
        word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return word + "'";
}

} // namespace

std::string in_namespace(const std::optional<OtherNamespace> &in, Charset charset) {
    return in ? " in network namespace " + format_namespace(in->inode, in->name, charset) : "";
}

std::string setting_command(const std::string &assignment, const std::optional<OtherNamespace> &in,
                            Charset charset) {
    const std::string command = "sysctl -w " + assignment;
    if (!in)
        return command;
    if (in->name)
        return "ip netns exec " + shell_word(escape_text(*in->name, charset)) + " " + command;
    return "nsenter --net=/proc/PID/ns/net " + command + "   (PID: of a process there)";
}

} // namespace portd::client
