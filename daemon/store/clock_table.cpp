#include "store/clock_table.hpp"

namespace portd::store {
namespace {

constexpr int most_copied = 1024;

} // namespace

void read_wall_times(Database &database, WallTimes &walls) {
    Statement select(database, "SELECT since_us, ahead_us FROM wall_clock");
    Execution row(select);
    while (row.next())
        walls.add({row.integer(0), row.integer(1)});
}

void write_setting(Database &database, const ClockSetting &setting) {
    Statement put(database, "REPLACE INTO wall_clock(since_us, ahead_us) VALUES(?1, ?2)");
    Execution(put).bind(setting.since_us).bind(setting.ahead_us).run();
}

std::string copy_settings_sql() {
    return "INSERT INTO next.wall_clock SELECT since_us, ahead_us FROM main.wall_clock "
           "ORDER BY since_us DESC LIMIT " +
           std::to_string(most_copied);
}

} // namespace portd::store
