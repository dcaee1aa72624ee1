#include "settings.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <toml++/toml.h>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace portd {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void refuse(const std::string &origin, std::string_view key, const std::string &value,
                         const std::string &expected) {
    throw SettingsError(origin + ": " + std::string(key) + " = '" + value + "': expected " +
                        expected);
}

std::filesystem::path absolute_path(const std::string &value, std::string_view key,
                                    const std::string &origin) {
    if (value.empty() || value.find('\0') != std::string::npos)
        refuse(origin, key, value, "a path");
    return std::filesystem::absolute(value).lexically_normal();
}

void set_state_dir(const std::string &value, const std::string &origin, Settings &settings) {
    settings.state_dir = absolute_path(value, "state_dir", origin);
}

void set_socket(const std::string &value, const std::string &origin, Settings &settings) {
    settings.socket = absolute_path(value, "socket", origin);
    constexpr std::size_t longest = 107; // sun_path less its NUL, unix(7)
    if (settings.socket.native().size() > longest)
        refuse(origin, "socket", value, "a path of at most 107 bytes (unix(7))");
}

void set_interval(const std::string &value, const std::string &origin, Settings &settings) {
    const auto interval = parse_interval(value);
    if (!interval || *interval < 10ms || *interval > 1h)
        refuse(origin, "interval", value,
               "a time between 10ms and 1h such as '1s', '500ms' or '2min'");
    settings.interval = *interval;
}

void set_capture(const std::string &value, const std::string &origin, Settings &settings) {
    settings.capture = parse_word<CaptureTier>(value);
    if (!settings.capture && value != "auto")
        refuse(origin, "capture", value, "'auto', 'ebpf', 'sock_diag' or 'procfs'");
}

void set_ports(const std::string &value, const std::string &origin, Settings &settings) {
    auto parsed = model::PortPolicy::parse(value);
    if (const auto *error = std::get_if<model::PortSettingError>(&parsed))
        throw SettingsError(origin + ": ports: " + error->message);
    settings.ports = std::get<model::PortPolicy>(parsed);
}

void set_arguments(const std::string &value, const std::string &origin, Settings &settings) {
    const auto policy = capture::parse_argument_policy(value);
    if (!policy)
        refuse(origin, "arguments", value, "'off', 'redacted' or 'full'");
    settings.arguments = *policy;
}

void set_ring_size(const std::string &value, const std::string &origin, Settings &settings) {
    const auto bytes = parse_size(value);
    if (!bytes || !std::has_single_bit(*bytes) || *bytes < 4096 || *bytes > 1 << 30)
        refuse(origin, "ring_size", value, "a power of two from 4K to 1G, such as '4M'");
    settings.ring_bytes = *bytes;
}

void set_max_size(const std::string &value, const std::string &origin, Settings &settings) {
    constexpr std::size_t least = 16 << 20;
    constexpr std::size_t most = std::size_t{1} << 50;
    const auto bytes = parse_size(value);
    if (!bytes || *bytes < least || *bytes > most)
        refuse(origin, "store.max_size", value, "a size from 16M to 1024T, such as '2G'");
    settings.max_bytes = static_cast<std::int64_t>(*bytes);
}

void set_max_age(const std::string &value, const std::string &origin, Settings &settings) {
    constexpr auto most = 24h * 365 * 100;
    const auto age = parse_interval(value);
    if (!age || *age < 1h || *age > most)
        refuse(origin, "store.max_age", value, "a time between 1h and 100y, such as '90d'");
    settings.max_age = *age;
}

struct Key {
    std::string_view name;
    void (*set)(const std::string &value, const std::string &origin, Settings &settings);
};

// Those of a table have its name before a dot.
constexpr std::array<Key, 9> keys{{{"state_dir", set_state_dir},
                                   {"socket", set_socket},
                                   {"interval", set_interval},
                                   {"capture", set_capture},
                                   {"ports", set_ports},
                                   {"arguments", set_arguments},
                                   {"ring_size", set_ring_size},
                                   {"store.max_size", set_max_size},
                                   {"store.max_age", set_max_age}}};

std::string at(const std::filesystem::path &file, const toml::source_region &where) {
    return file.string() + ":" + std::to_string(where.begin.line);
}

// Numbers are taken as they would be written in text: `interval = 2`, `ports = 8080`.
std::string value_text(const toml::node &node, std::string_view key, const std::string &origin) {
    if (const auto text = node.value_exact<std::string>())
        return *text;
    if (const auto number = node.value_exact<std::int64_t>())
        return std::to_string(*number);
    throw SettingsError(origin + ": " + std::string(key) + ": expected a string in quotes");
}

} // namespace

void apply_setting(std::string_view key, const std::string &value, const std::string &origin,
                   Settings &settings) {
    const auto known = std::ranges::find(keys, key, &Key::name);
    if (known == keys.end()) {
        std::string names;
        for (const auto &[name, _] : keys)
            names += (names.empty() ? "" : ", ") + std::string(name);
        throw SettingsError(origin + ": unknown key '" + std::string(key) + "'; the keys are " +
                            names);
    }
    known->set(value, origin, settings);
}

namespace {

void apply_table(const toml::table &table, const std::string &prefix,
                 const std::filesystem::path &file, Settings &settings) {
    for (const auto &[key, node] : table) {
        const auto origin = at(file, key.source());
        const std::string name = prefix + std::string(key.str());
        const bool is_table = std::ranges::any_of(
            keys, [&](const Key &known) { return known.name.starts_with(name + "."); });
        if (const toml::table *const inner = node.as_table(); inner && is_table) {
            apply_table(*inner, name + ".", file, settings);
            continue;
        }
        if (std::ranges::find(keys, name, &Key::name) == keys.end())
            apply_setting(name, "", origin, settings);
        apply_setting(name, value_text(node, name, origin), origin, settings);
    }
}

} // namespace

namespace {

[[noreturn]] void fail_to_read(const std::filesystem::path &file, const std::error_code &error) {
    throw SettingsError(file.string() + ": " + error.message() +
                        "; the user that portd runs as must be able to read it");
}

// In the order in which they count. That there is no such directory is no mistake.
std::vector<std::filesystem::path> list_drop_ins(const std::filesystem::path &folder) {
    std::vector<std::filesystem::path> found;
    std::error_code error;
    std::filesystem::directory_iterator entry(folder, error);
    for (const std::filesystem::directory_iterator end; !error && entry != end;
         entry.increment(error))
        if (entry->path().extension() == ".toml")
            found.push_back(entry->path());
    if (error && error != std::errc::no_such_file_or_directory)
        fail_to_read(folder, error);
    std::ranges::sort(found);
    return found;
}

} // namespace

void apply_settings_file(const std::filesystem::path &file, Settings &settings) {
    // What toml++ says of these names no reason.
    if (::access(file.c_str(), R_OK) != 0)
        fail_to_read(file, {errno, std::generic_category()});
    if (std::error_code error; std::filesystem::is_directory(file, error))
        fail_to_read(file, std::make_error_code(std::errc::is_a_directory));
    toml::table table;
    try {
        table = toml::parse_file(file.string());
    } catch (const toml::parse_error &error) {
        throw SettingsError(at(file, error.source()) + ": " + std::string(error.description()));
    }
    apply_table(table, "", file, settings);
}

void apply_settings_files(const std::filesystem::path &file, Existence existence,
                          Settings &settings) {
    std::error_code error;
    const bool exists = std::filesystem::exists(file, error);
    if (error)
        fail_to_read(file, error);
    if (exists)
        apply_settings_file(file, settings);
    else if (existence == Existence::required)
        throw SettingsError("--config: " + file.string() + " does not exist");
    for (const auto &drop_in : list_drop_ins(file.string() + ".d"))
        apply_settings_file(drop_in, settings);
}

std::vector<std::string> apply_while_running(const Settings &fresh, Settings &settings) {
    std::vector<std::string> left;
    const auto compare = [&](const char *key, const auto &one, const auto &other) {
        if (one != other)
            left.emplace_back(key);
    };
    compare("state_dir", fresh.state_dir, settings.state_dir);
    compare("socket", fresh.socket, settings.socket);
    compare("capture", fresh.capture, settings.capture);
    compare("ports", fresh.ports, settings.ports);
    compare("arguments", fresh.arguments, settings.arguments);
    compare("ring_size", fresh.ring_bytes, settings.ring_bytes);
    settings.interval = fresh.interval;
    settings.max_bytes = fresh.max_bytes;
    settings.max_age = fresh.max_age;
    return left;
}

std::optional<std::size_t> parse_size(std::string_view text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number > std::size_t{1} << 50)
        return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::string_view units = "KMGT";
    if (unit.empty())
        return number;
    const auto power = units.find(unit);
    if (unit.size() != 1 || power == std::string_view::npos)
        return std::nullopt;
    const std::size_t shift = 10 * (power + 1);
    return number << shift >> shift == number ? std::optional(number << shift) : std::nullopt;
}

std::optional<std::chrono::microseconds> parse_interval(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number < 0 || number > 1'000'000'000)
        return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (unit == "us")
        return std::chrono::microseconds(number);
    if (unit == "ms")
        return std::chrono::milliseconds(number);
    if (unit == "s" || unit.empty())
        return std::chrono::seconds(number);
    if (unit == "min")
        return std::chrono::minutes(number);
    if (unit == "h")
        return std::chrono::hours(number);
    constexpr std::int64_t most_days = 1'000'000;
    if (unit == "d" && number <= most_days)
        return std::chrono::hours(24 * number);
    if (unit == "y" && number <= most_days / 365)
        return std::chrono::hours(365 * 24 * number);
    return std::nullopt;
}

} // namespace portd
