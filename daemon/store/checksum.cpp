#include "store/checksum.hpp"

#include "store/fault.hpp"

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <unistd.h>

namespace portd::store {
namespace {

constexpr std::size_t bytes_at_once = 1 << 18;
constexpr mode_t file_mode = 0640;

class File {
  public:
    File(const std::filesystem::path &path, int flags)
        : path_(path), fd_(open(path.c_str(), flags | O_CLOEXEC, file_mode)) {
        if (fd_ < 0)
            fail_by_errno(path_, "cannot be opened");
    }
    ~File() { close(fd_); }
    File(const File &) = delete;
    File &operator=(const File &) = delete;

    std::size_t read_into(std::vector<std::uint8_t> &buffer) const {
        const ssize_t count = read(fd_, buffer.data(), buffer.size());
        if (count < 0)
            fail_by_errno(path_, "cannot be read");
        return static_cast<std::size_t>(count);
    }
    void write_all(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t count = write(fd_, text.data(), text.size());
            if (count < 0)
                fail_by_errno(path_, "cannot be written");
            text.remove_prefix(static_cast<std::size_t>(count));
        }
        if (fsync(fd_) != 0)
            fail_by_errno(path_, "cannot be synced");
    }

  private:
    const std::filesystem::path &path_;
    const int fd_;
};

// In hexadecimal digits.
std::optional<std::string> sha256_of(const std::filesystem::path &path,
                                     const std::atomic<bool> *stop) {
    const File file(path, O_RDONLY);
    sha256_ctx context;
    sha256_init(&context);
    std::vector<std::uint8_t> buffer(bytes_at_once);
    while (const std::size_t count = file.read_into(buffer)) {
        if (stop && *stop)
            return std::nullopt;
        sha256_update(&context, count, buffer.data());
    }
    std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
    sha256_digest(&context, digest.size(), digest.data());
    std::string text(BASE16_ENCODE_LENGTH(digest.size()), '\0');
    base16_encode_update(text.data(), digest.size(), digest.data());
    return text;
}

std::string read_text(const std::filesystem::path &path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string line_of(const std::string &sum, const std::filesystem::path &sealed) {
    return sum + "  " + sealed.filename().string() + "\n";
}

} // namespace

std::filesystem::path checksum_path(const std::filesystem::path &sealed) {
    return sealed.native() + ".sha256";
}

void write_checksum(const std::filesystem::path &contents, const std::filesystem::path &sealed) {
    write_checksum(contents, sealed, checksum_path(sealed));
}

void write_checksum(const std::filesystem::path &contents, const std::filesystem::path &sealed,
                    const std::filesystem::path &file) {
    const auto sum = sha256_of(contents, nullptr);
    File(file, O_WRONLY | O_CREAT | O_TRUNC).write_all(line_of(*sum, sealed));
}

bool matches_checksum(const std::filesystem::path &sealed, const std::filesystem::path &file) {
    return read_text(file) == line_of(*sha256_of(sealed, nullptr), sealed);
}

std::optional<std::string> difference_to_checksum(const std::filesystem::path &sealed,
                                                  const std::atomic<bool> *stop) {
    const std::string line = read_text(checksum_path(sealed));
    constexpr std::size_t length = BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE);
    const std::string known = line.substr(0, length);
    if (known.find_first_not_of("0123456789abcdef") != std::string::npos ||
        line != line_of(known, sealed) || known.size() != length)
        return std::nullopt;
    const auto sum = sha256_of(sealed, stop);
    if (!sum || *sum == known)
        return std::nullopt;
    return "it is not what was sealed: its SHA-256 is " + *sum + ", and " +
           checksum_path(sealed).filename().string() + " has " + known;
}

} // namespace portd::store
