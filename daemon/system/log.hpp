// Logging to standard error: with times for people, with priority prefixes for journald.
#pragma once

namespace portd::system {

// Sets up spdlog's default logger. Where standard error is the journal's stream (JOURNAL_STREAM,
// systemd.exec(5)), each line carries a sd-daemon(3) priority prefix and no time of its own.
void start_logging();

} // namespace portd::system
