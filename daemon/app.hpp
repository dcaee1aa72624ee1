// The composition root: wires capture, ledger, store and server together and runs them.
#pragma once

#include "settings.hpp"

namespace portd {

// Exit statuses of the daemon. Those from `refused` on cannot be mended by starting it again.
enum class Exit : int {
    clean = 0,
    failed = 1, // a fault while running; a restart may help
    usage = 2,  // command line or settings
    refused =
        77, // no permission, another instance, a store of a newer version (EX_NOPERM, sysexits.h)
};

// Parses the command line, runs the daemon until SIGTERM or SIGINT.
Exit run(int argc, const char *const *argv);

} // namespace portd
