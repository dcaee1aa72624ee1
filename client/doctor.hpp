// What portd needs of a machine, checked one thing at a time. Pure: facts in, findings out.
#pragma once

#include "proto/messages.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portd::client {

// A unit as `systemctl show` tells of it.
struct UnitFacts {
    std::string load;      // LoadState: loaded, not-found, masked
    std::string active;    // ActiveState: active, inactive, failed
    std::string unit_file; // UnitFileState: enabled, disabled
    std::string result;    // Result: success, exit-code, watchdog
    int exit_status = 0;   // ExecMainStatus
    std::int64_t main_pid = 0;
};

struct SocketFacts {
    std::string path;
    std::optional<std::uint32_t> mode; // st_mode; absent: nothing is there, or it cannot be seen
    std::string error;                 // why connecting failed; empty: somebody answers
    bool is_hidden = false;            // this user may not look whether it is there
    bool is_asked = true;              // no: that would have started the service
};

struct StateFacts {
    std::string path;
    std::optional<std::uint32_t> mode; // absent: not there, or it cannot be seen
    std::string owner;                 // user name, or number
    std::int64_t free_bytes = 0;
    std::int64_t size_bytes = 0;                     // of the file system
    std::optional<std::vector<std::string>> damaged; // files set aside; absent: may not look
    bool is_hidden = false;                          // as for the socket
    bool is_told = true; // by portd or the user; otherwise it is where it usually is
};

// Who asks.
struct CallerFacts {
    std::uint32_t uid = 0;
    bool has_group = false; // there is a group `portd`
    bool is_member = false;
};

struct Facts {
    std::string kernel;                       // release, uname(2)
    std::optional<std::string> kernel_config; // its text; absent: found nowhere
    bool has_btf = false;
    std::string lockdown; // /sys/kernel/security/lockdown; empty: there is none
    std::string mounts;   // /proc/mounts
    std::optional<UnitFacts> service;
    std::optional<UnitFacts> socket_unit;
    std::optional<std::uint64_t> capabilities; // effective ones of the daemon
    SocketFacts socket;
    std::optional<proto::Status> status;
    StateFacts state;
    CallerFacts caller;
    bool clock_is_synchronized = false;
    std::int64_t now_us = 0;
};

enum class Verdict {
    good,
    notice,  // works, but somebody may want to know
    bad,     // something to mend
    unknown, // cannot be told from here
};
std::string_view to_string(Verdict verdict);

struct Finding {
    Verdict verdict = Verdict::good;
    std::string subject;
    std::string text;
    std::string remedy; // commands, one a line; empty: nothing is to be done
};

Finding check_kernel(const Facts &facts);
Finding check_kernel_options(const Facts &facts);
Finding check_btf(const Facts &facts);
Finding check_lockdown(const Facts &facts);
Finding check_control_groups(const Facts &facts);
Finding check_service(const Facts &facts);
Finding check_capabilities(const Facts &facts);
Finding check_socket(const Facts &facts);
Finding check_capture(const Facts &facts);
Finding check_self_check(const Facts &facts);
Finding check_losses(const Facts &facts);
Finding check_state_directory(const Facts &facts);
Finding check_space(const Facts &facts);
Finding check_clock(const Facts &facts);
Finding check_access(const Facts &facts);

// All of them, in this order.
std::vector<Finding> examine(const Facts &facts);

} // namespace portd::client
