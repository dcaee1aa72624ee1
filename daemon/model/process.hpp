// A process image: what a process was between one exec and the next.
#pragma once

#include "model/instant.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portd::model {

// Field 22 of /proc/PID/stat (proc(5)), in whole clock ticks since boot, tells a reused pid apart.
struct ProcessKey {
    std::int32_t pid = 0;
    Instant started_at{};

    auto operator<=>(const ProcessKey &) const = default;
};

struct Ancestor {
    std::int32_t pid = 0;
    std::string command;

    bool operator==(const Ancestor &) const = default;
};

// Fields that could not be read are absent; the process itself was there.
struct Process {
    ProcessKey key;
    std::optional<std::string> executable; // target of /proc/PID/exe, " (deleted)" removed
    std::string command;                   // comm
    std::optional<std::string> arguments;  // joined by spaces, already redacted by the setting
    std::optional<std::uint32_t> uid;      // effective
    std::optional<std::uint32_t> gid;
    std::optional<std::uint32_t> login_uid; // absent where none was set
    std::optional<std::string> control_group;
    std::optional<std::string> unit;
    std::optional<std::string> slice;
    std::optional<std::string> container;
    std::vector<Ancestor> ancestors; // parent first, at most 4

    bool operator==(const Process &) const = default;
};

// Shared by all leases of one image; equal pointers are the same image.
using ProcessRef = std::shared_ptr<const Process>;

} // namespace portd::model
