// What the operator can set: defaults, then /etc/portd/portd.toml and its drop-ins, then the
// command line, each overriding the one before.
#pragma once

#include "capture/redact.hpp"
#include "model/port_policy.hpp"
#include "proto/vocabulary.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace portd {

struct Settings {
    std::filesystem::path state_dir = "/var/lib/portd";
    std::filesystem::path socket = "/run/portd/io.portd.Ports";
    std::chrono::microseconds interval = std::chrono::seconds(1); // between samples, 10 ms to 1 h
    std::optional<CaptureTier> capture;                           // absent: the best that works
    model::PortPolicy ports;
    capture::ArgumentPolicy arguments = capture::ArgumentPolicy::redacted;
    std::int64_t max_bytes = std::int64_t{2} << 30;                  // of history, 16 MiB to 1 PiB
    std::chrono::microseconds max_age = std::chrono::hours(90 * 24); // 1 h to 100 years
    std::size_t ring_bytes =
        16 << 20; // of the eBPF tier's ring buffer: a power of two, 4 KiB to 1 GiB
};

// A setting that cannot be used. The text names the file and line, or the option, says what was
// wrong and what was expected.
struct SettingsError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Applies one file to `settings`. An unknown key or a bad value throws SettingsError.
void apply_settings_file(const std::filesystem::path &file, Settings &settings);

// Applies `file` and then `file`.d/*.toml in the order of their names. A file that does not exist
// is no error unless `must_exist`.
enum class Existence { optional, required };
void apply_settings_files(const std::filesystem::path &file, Existence existence,
                          Settings &settings);

// Takes over from `fresh` what can change while portd runs (interval, store.max_size,
// store.max_age). The keys of what differs and cannot.
std::vector<std::string> apply_while_running(const Settings &fresh, Settings &settings);

// Sets one key (the names are those of the file: state_dir, socket, interval, capture, ports,
// arguments, ring_size, store.max_size, store.max_age) from text. `origin` begins the error, such
// as "/etc/portd/portd.toml:3" or
// "--interval".
void apply_setting(std::string_view key, const std::string &value, const std::string &origin,
                   Settings &settings);

// "4096", "64K", "16M", "1G", "2T" (powers of 1024).
std::optional<std::size_t> parse_size(std::string_view text);

// "500ms", "1s", "2min", "1h", "90d", "1y" (of 365 days), or seconds without a unit.
std::optional<std::chrono::microseconds> parse_interval(std::string_view text);

} // namespace portd
