#include "client/cursor_file.hpp"

#include "client/text.hpp"
#include "client/usage_error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace portd::client {
namespace {

constexpr std::size_t longest_cursor = 512;
constexpr mode_t file_mode = 0600;

[[noreturn]] void fail(const char *doing, const std::filesystem::path &file) {
    throw std::system_error(errno, std::generic_category(),
                            std::string(doing) + " " + escape_text(file.native(), Charset::utf8));
}

} // namespace

void refuse_cursor(const std::filesystem::path &file) {
    throw UsageError{"--cursor-file " + escape_text(file.native(), Charset::utf8) +
                     " holds no cursor of portd's; remove it to begin anew"};
}

std::optional<std::string> read_cursor(const std::filesystem::path &file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return std::nullopt;
    if (fd < 0)
        fail("cannot read the cursor in", file);
    std::array<char, longest_cursor + 2> bytes{};
    const ssize_t count = ::read(fd, bytes.data(), bytes.size());
    const int error = errno;
    ::close(fd);
    errno = error;
    if (count < 0)
        fail("cannot read the cursor in", file);
    std::string cursor(bytes.data(), static_cast<std::size_t>(count));
    if (cursor.ends_with('\n'))
        cursor.pop_back();
    if (cursor.empty() || cursor.size() > longest_cursor || cursor.find('\n') != std::string::npos)
        refuse_cursor(file);
    return cursor;
}

void write_cursor(const std::filesystem::path &file, const std::string &cursor) {
    const std::filesystem::path made = file.native() + ".new";
    const int fd = ::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, file_mode);
    if (fd < 0)
        fail("cannot write the cursor to", made);
    const std::string line = cursor + "\n";
    const bool written =
        ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
        ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    errno = error;
    if (!written || ::rename(made.c_str(), file.c_str()) != 0)
        fail("cannot write the cursor to", made);
}

} // namespace portd::client
