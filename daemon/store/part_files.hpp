// Private to the store: the files that history is kept in, by their names.
//
//   current-NNNNNN.db   being written, with its write-ahead log; or just given up for the next one
//   history-NNNNNN.db   sealed: packed, and never written again; checksum.hpp has what lies beside
//   it
//
// Numbers grow from 1. Both names of one number can be there for a moment: the sealed file then has
// all of the other. What else the directory holds is not looked at.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace portd::store {

struct PartFile {
    std::int64_t number = 0;
    bool is_sealed = false;

    auto operator<=>(const PartFile &) const = default;
};

std::filesystem::path path_of(const std::filesystem::path &directory, const PartFile &part);
// Absent for any other name.
std::optional<PartFile> parse_part_name(std::string_view name);
// By number, each once, sealed rather than not. Throws std::filesystem::filesystem_error.
std::vector<PartFile> list_parts(const std::filesystem::path &directory);

// The file with what lies beside it.
std::int64_t bytes_of(const std::filesystem::path &database_file);
void remove_database(const std::filesystem::path &database_file);

} // namespace portd::store
