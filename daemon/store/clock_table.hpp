// Private to the store: the table `wall_clock` of a part.
#pragma once

#include "store/database.hpp"
#include "store/wall_times.hpp"

#include <string>

namespace portd::store {

void read_wall_times(Database &database, WallTimes &walls);
void write_setting(Database &database, const ClockSetting &setting);

// Copies the settings to the attached database `next`: those that are in force for what goes on
// there, and more of the last ones than anybody makes. Older ones are in older parts.
std::string copy_settings_sql();

} // namespace portd::store
