#include "capture/control_group.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace portd::capture {
namespace {

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

int hex_value(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

bool is_unit_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

bool remove_prefix(std::string_view &text, std::string_view prefix) {
    if (!text.starts_with(prefix))
        return false;
    text.remove_prefix(prefix.size());
    return true;
}

bool remove_suffix(std::string_view &text, std::string_view suffix) {
    if (!text.ends_with(suffix))
        return false;
    text.remove_suffix(suffix.size());
    return true;
}

std::vector<std::string_view> components(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        const auto slash = std::min(path.find('/'), path.size());
        if (slash > 0)
            parts.push_back(path.substr(0, slash));
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return parts;
}

bool has_name_before(std::string_view name, std::string_view suffix) {
    return name.size() > suffix.size() && name.ends_with(suffix);
}

bool is_slice(std::string_view name) {
    return has_name_before(name, ".slice");
}

// UNIT_NAME_MAX is 255.
bool is_unit_name(std::string_view name) {
    return name.size() <= 255 && !name.starts_with('.') && !name.starts_with('@') &&
           std::ranges::all_of(name, is_unit_character);
}

// Only these kinds of units have processes (systemd.kill(5)).
bool is_unit_with_processes(std::string_view name) {
    constexpr std::array<std::string_view, 5> suffixes{".service", ".scope", ".socket", ".mount",
                                                       ".swap"};
    return is_unit_name(name) &&
           std::ranges::any_of(suffixes, [&](auto s) { return has_name_before(name, s); });
}

// systemd puts '_' before a name that could be mistaken for a file of the kernel (cg_escape()).
std::string_view unescaped_group(std::string_view name) {
    remove_prefix(name, "_");
    return name;
}

// systemd.unit(5), "String escaping for inclusion in unit names".
std::string unescaped_unit(std::string_view name) {
    std::string text;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] == '\\' && i + 3 < name.size() && name[i + 1] == 'x' && is_hex(name[i + 2]) &&
            is_hex(name[i + 3])) {
            text += static_cast<char>(hex_value(name[i + 2]) * 16 + hex_value(name[i + 3]));
            i += 3;
        } else {
            text += name[i];
        }
    }
    return text;
}

bool is_container_id(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, is_hex);
}

// "ID", "docker-ID.scope", "libpod-ID", or "SLICE:cri-containerd:ID", which containerd makes when
// it was told of systemd and the container was not.
std::optional<std::string> engine_container(std::string_view name) {
    remove_suffix(name, ".scope");
    const auto separator = name.find_last_of("-:");
    if (separator == std::string_view::npos)
        return is_container_id(name) ? std::optional(std::string(name)) : std::nullopt;
    const auto engine = name.substr(0, separator);
    const auto id = name.substr(separator + 1);
    if (!is_container_id(id) || engine.ends_with("conmon"))
        return std::nullopt;
    return std::string(id);
}

// `below` is the component after it, empty at the end of the path.
std::optional<std::string> lxc_container(std::string_view name, std::string_view below) {
    if (remove_prefix(name, "lxc.payload.") && !name.empty())
        return std::string(name);
    if ((name == "lxc.payload" || name == "lxc") && !below.empty())
        return std::string(below);
    return std::nullopt;
}

// systemd-machined registers virtual machines too; libvirt's names begin with the driver's.
std::optional<std::string> machine(std::string_view name, std::string_view below) {
    const bool registered = remove_prefix(name, "machine-") && remove_suffix(name, ".scope");
    const bool from_template =
        !registered && remove_prefix(name, "systemd-nspawn@") && remove_suffix(name, ".service");
    if ((!registered && !from_template) || name.empty() || below == "supervisor")
        return std::nullopt;
    auto text = unescaped_unit(name);
    if (text.starts_with("qemu-"))
        return std::nullopt;
    return text;
}

} // namespace

std::optional<std::string> parse_control_group(std::string_view text) {
    std::optional<std::string_view> unified;
    std::optional<std::string_view> systemd;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const auto first = line.find(':');
        const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos)
            continue;
        const auto hierarchy = line.substr(0, first);
        const auto controllers = line.substr(first + 1, second - first - 1);
        auto path = line.substr(second + 1);
        remove_suffix(path, " (deleted)");
        if (!path.starts_with('/'))
            continue;
        if (hierarchy == "0" && controllers.empty())
            unified = path;
        else if (controllers == "name=systemd")
            systemd = path;
    }
    if (systemd && unified.value_or("/") == "/")
        return std::string(*systemd);
    return unified ? std::optional(std::string(*unified)) : std::nullopt;
}

std::optional<std::string> unit_of(std::string_view path) {
    const auto parts = components(path);
    auto part = std::ranges::find_if_not(parts, is_slice);
    if (part == parts.end())
        return std::nullopt;
    const auto unit = unescaped_group(*part);
    if (!is_unit_with_processes(unit))
        return std::nullopt;
    if (unit.starts_with("user@") && unit.ends_with(".service")) {
        part = std::find_if_not(part + 1, parts.end(), is_slice);
        if (part != parts.end() && *part != "init.scope") {
            const auto user_unit = unescaped_group(*part);
            if (is_unit_with_processes(user_unit))
                return std::string(user_unit);
        }
    }
    return std::string(unit);
}

std::optional<std::string> slice_of(std::string_view path) {
    const auto parts = components(path);
    const auto unit = std::ranges::find_if_not(parts, is_slice);
    if (unit == parts.begin())
        return std::nullopt;
    const auto slice = unescaped_group(*(unit - 1));
    return is_unit_name(slice) ? std::optional(std::string(slice)) : std::nullopt;
}

std::optional<std::string> container_of(std::string_view path) {
    const auto parts = components(path);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto name = unescaped_group(parts[i]);
        const auto below = i + 1 < parts.size() ? parts[i + 1] : std::string_view{};
        if (auto id = engine_container(name))
            return id;
        if (auto lxc = lxc_container(name, below))
            return lxc;
        if (auto nspawn = machine(name, below))
            return nspawn;
    }
    return std::nullopt;
}

void name_group(model::Process &process) {
    if (!process.control_group)
        return;
    process.unit = unit_of(*process.control_group);
    process.slice = slice_of(*process.control_group);
    process.container = container_of(*process.control_group);
}

} // namespace portd::capture
