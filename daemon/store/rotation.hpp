// Private to the store: how one part follows another.
//
// The next part is made beside the current one, with the leases that are open and with those that
// were freed so lately that there may be news of them, and put in its place under its name. So at
// each moment the newest part is the one that is written, and has all that goes on. What was copied
// is then removed from the part that was given up, which is packed into a new file: sealed. Each
// step can be cut off at any point, and is taken up again at the next start.
#pragma once

#include "store/boot.hpp"
#include "store/database.hpp"
#include "store/part.hpp"
#include "store/part_files.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace portd::store {

// How long after its end a lease may change, with room to spare: model::Ledger::reorder_window.
inline constexpr std::int64_t settling_us = 10'000'000;

struct NextPart {
    std::int64_t since_us = 0;    // end of the current part, in row time
    std::int64_t last_serial = 0; // handed out so far
    std::int64_t next_bind_failure = 1;
    std::int64_t shift_us = 0;
};

// An empty part; what was before `since_us` is in no part any more.
void make_first_part(const std::filesystem::path &directory, std::int64_t number,
                     std::optional<std::int64_t> since_us = {},
                     const std::optional<StoredBoot> &boot = {});
// Makes the part after that of `current`.
PartFile make_next_part(const std::filesystem::path &directory, Database &current, const Part &part,
                        const NextPart &next);

// Packs a part that was given up into its sealed file and removes it. Nobody else writes it. If the
// part after it, which has what goes on, is not there or cannot be read, then what goes on ends
// with this one. Faults are of its own file.
void seal(const std::filesystem::path &directory, std::int64_t number);

// Removes what was cut off half-way.
void remove_unfinished(const std::filesystem::path &directory);

} // namespace portd::store
