// The log: on standard error with times for people, or in the journal with priorities and fields.
#pragma once

namespace portd::system {

// Whether it is the journal's stream (JOURNAL_STREAM, systemd.exec(5)).
bool stderr_is_journal();

// Sets up spdlog's default logger. Where standard error is the journal's stream, everything goes to
// the journal by its own protocol (sd_journal_print(3)).
void start_logging();

} // namespace portd::system
