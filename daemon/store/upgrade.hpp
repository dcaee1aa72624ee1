// Private to the store: files of earlier versions are carried over to this one, before anything
// else is done with them.
//
// A part that is written is changed in its place, in one transaction. One that is sealed is never
// written: a changed and packed copy takes its place, and then its checksum that of the old one. So
// whenever this is cut off, each part is of either version, whole, and the next start goes on.
#pragma once

#include "store/database.hpp"
#include "store/notice.hpp"
#include "store/upgrade_progress.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace portd::store {

// Whether a way leads from that version to this one.
bool can_be_upgraded(std::int64_t version);
// Carries the file over, if it is of an earlier version, in a transaction of its own. Throws
// FailedUpgrade, or DamagedStore.
void upgrade(Database &database);

// Carries over all parts but the one that is written, which is left to whoever opens it; but tells
// of it, too. Nothing is touched if the newest part is refused: then throws ForeignStore. A damaged
// part is set aside, and one that another application or a newer portd has written is left as it
// is. Otherwise throws FailedUpgrade.
std::vector<Notice> upgrade_older_parts(const std::filesystem::path &directory,
                                        const TellUpgrade &tell);

} // namespace portd::store
