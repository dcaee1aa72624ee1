#include "store/part_files.hpp"

#include "store/checksum.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <system_error>

namespace portd::store {
namespace {

constexpr std::string_view current_prefix = "current-";
constexpr std::string_view sealed_prefix = "history-";
constexpr std::string_view suffix = ".db";
constexpr std::size_t least_digits = 6;

} // namespace

std::filesystem::path path_of(const std::filesystem::path &directory, const PartFile &part) {
    std::string number = std::to_string(part.number);
    if (number.size() < least_digits)
        number.insert(0, least_digits - number.size(), '0');
    return directory / (std::string(part.is_sealed ? sealed_prefix : current_prefix) + number +
                        std::string(suffix));
}

std::optional<PartFile> parse_part_name(std::string_view name) {
    PartFile part;
    part.is_sealed = name.starts_with(sealed_prefix);
    if (!part.is_sealed && !name.starts_with(current_prefix))
        return std::nullopt;
    name.remove_prefix(current_prefix.size());
    if (!name.ends_with(suffix))
        return std::nullopt;
    name.remove_suffix(suffix.size());
    const char *const end = name.data() + name.size();
    const auto [stopped, error] = std::from_chars(name.data(), end, part.number);
    if (error != std::errc{} || stopped != end || name.size() < least_digits || part.number < 1)
        return std::nullopt;
    return part;
}

std::vector<PartFile> list_parts(const std::filesystem::path &directory) {
    std::vector<PartFile> parts;
    for (const auto &entry : std::filesystem::directory_iterator(directory))
        if (const auto part = parse_part_name(entry.path().filename().native()))
            parts.push_back(*part);
    std::ranges::sort(parts, [](const PartFile &a, const PartFile &b) {
        return a.number != b.number ? a.number < b.number : a.is_sealed > b.is_sealed;
    });
    const auto is_same = [](const PartFile &a, const PartFile &b) { return a.number == b.number; };
    parts.erase(std::unique(parts.begin(), parts.end(), is_same), parts.end());
    return parts;
}

std::int64_t bytes_of(const std::filesystem::path &database_file) {
    std::int64_t bytes = 0;
    for (const char *const beside : {"", "-wal"}) {
        std::error_code missing;
        const auto size = std::filesystem::file_size(database_file.native() + beside, missing);
        bytes += missing ? 0 : static_cast<std::int64_t>(size);
    }
    return bytes;
}

void remove_database(const std::filesystem::path &database_file) {
    for (const char *const beside : {"", "-wal", "-shm", "-journal"})
        std::filesystem::remove(database_file.native() + beside);
    std::filesystem::remove(checksum_path(database_file));
}

} // namespace portd::store
