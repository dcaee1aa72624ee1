#include "capture/socket_links.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>

namespace portd::capture {
namespace {

using Outcome = SocketLinks::Outcome;

struct CloseDirectory {
    void operator()(DIR *directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number = 0;
    const auto *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end)
        return std::nullopt;
    return number;
}

Outcome outcome_of(int error, std::int32_t pid) {
    if (error == ENOENT || error == ESRCH)
        return Outcome::gone;
    if (error == EACCES || error == EPERM)
        return Outcome::refused;
    throw std::system_error(error, std::generic_category(),
                            "descriptors of process " + std::to_string(pid));
}

// Whether the walk may go on after this link.
bool read_link(int directory, const char *name, std::int32_t descriptor, SocketLinks &links,
               std::int32_t pid) {
    std::array<char, 64> target{}; // longer ones are cut, and are no sockets
    const auto size = ::readlinkat(directory, name, target.data(), target.size());
    ++links.links_read;
    if (size < 0) {
        // Closed since it was listed, or all of the process is gone: the directory will tell.
        const auto outcome = outcome_of(errno, pid);
        if (outcome == Outcome::refused)
            links.outcome = outcome;
        return outcome != Outcome::refused;
    }
    const std::string_view text(target.data(), static_cast<std::size_t>(size));
    if (const auto inode = parse_socket_link(text))
        links.sockets.push_back({descriptor, *inode});
    return true;
}

} // namespace

std::optional<std::uint32_t> parse_socket_link(std::string_view target) {
    constexpr std::string_view prefix = "socket:[";
    if (!target.starts_with(prefix) || !target.ends_with(']'))
        return std::nullopt;
    target.remove_prefix(prefix.size());
    target.remove_suffix(1);
    return parse_number<std::uint32_t>(target);
}

SocketLinks read_socket_links(const OpenProcess &process,
                              const std::function<bool(std::int32_t descriptor)> &skip) {
    SocketLinks links;
    system::Fd opened(::openat(process.directory(), "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened) {
        links.outcome = outcome_of(errno, process.pid());
        return links;
    }
    const Directory directory(::fdopendir(opened.get()));
    if (!directory) {
        links.outcome = outcome_of(errno, process.pid()); // it looks at the directory, too
        return links;
    }
    const int fd = opened.release();
    for (;;) {
        errno = 0;
        const auto *entry = ::readdir(directory.get());
        if (!entry) {
            if (errno != 0)
                links.outcome = outcome_of(errno, process.pid());
            return links;
        }
        const auto descriptor = parse_number<std::int32_t>(entry->d_name);
        if (!descriptor)
            continue;
        ++links.entries;
        if (skip(*descriptor))
            links.skipped.push_back(*descriptor);
        else if (!read_link(fd, entry->d_name, *descriptor, links, process.pid()))
            return links;
    }
}

} // namespace portd::capture
