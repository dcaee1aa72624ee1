// Private to the store: what is wrong with one file of it.
//
// Reads only. The rows of a file that is being written are read in many short transactions, so that
// its log does not grow behind a long one.
#pragma once

#include "model/lease.hpp"
#include "proto/messages.hpp"
#include "store/part_files.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace portd::store {

// How a lease contradicts itself, in words; nothing if it does not. Pure.
std::optional<std::string> contradiction_in(const model::Lease &lease);

struct CheckedFile {
    proto::FileReport report;
    std::vector<proto::CoverageInterval> intervals;
    std::vector<proto::Gap> gaps;
};

// `on_rows` is told now and then how many rows were looked at. If `stop` becomes true, what comes
// back means nothing.
CheckedFile check_file(const std::filesystem::path &directory, const PartFile &file,
                       const std::function<void(std::int64_t rows)> &on_rows,
                       const std::atomic<bool> &stop);

} // namespace portd::store
