#include "client/doctor_facts.hpp"

#include "client/exchange.hpp"
#include "client/global_options.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace portd::client {
namespace {

constexpr const char *usual_state_directory = "/var/lib/portd";

std::optional<std::string> read_file(const std::string &path) {
    std::ifstream file(path);
    if (!file)
        return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// What the command prints; nothing if it fails. Errors that it prints are dropped.
std::optional<std::string> output_of(const std::string &command) {
    FILE *pipe = ::popen((command + " 2>/dev/null").c_str(), "re");
    if (!pipe)
        return std::nullopt;
    std::string text;
    std::array<char, 4096> buffer;
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe))
        text.append(buffer.data(), got);
    return ::pclose(pipe) == 0 ? std::optional(text) : std::nullopt;
}

std::optional<std::string> read_kernel_config(const std::string &release) {
    if (auto text = read_file("/boot/config-" + release))
        return text;
    return output_of("zcat /proc/config.gz");
}

std::optional<UnitFacts> ask_unit(const std::string &unit) {
    const auto text = output_of("systemctl show -p LoadState -p ActiveState -p UnitFileState "
                                "-p Result -p ExecMainStatus -p MainPID " +
                                unit);
    return text ? std::optional(parse_unit(*text)) : std::nullopt;
}

void look_at_socket(SocketFacts &socket) {
    struct stat status {};
    if (::stat(socket.path.c_str(), &status) == 0)
        socket.mode = status.st_mode;
    else
        socket.is_hidden = errno == EACCES;
}

StateFacts look_at_state(const std::string &path) {
    StateFacts state;
    state.path = path;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        state.is_hidden = errno == EACCES;
        return state;
    }
    state.mode = status.st_mode;
    const passwd *owner = ::getpwuid(status.st_uid);
    state.owner = owner ? owner->pw_name : std::to_string(status.st_uid);
    struct statvfs space {};
    if (::statvfs(path.c_str(), &space) == 0) {
        state.free_bytes = static_cast<std::int64_t>(space.f_bavail * space.f_frsize);
        state.size_bytes = static_cast<std::int64_t>(space.f_blocks * space.f_frsize);
    }
    std::error_code error;
    std::vector<std::string> damaged;
    for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error))
        if (const auto name = entry->path().filename().string();
            name.find(".damaged-") != std::string::npos)
            damaged.push_back(name);
    if (!error) {
        std::ranges::sort(damaged);
        state.damaged = std::move(damaged);
    }
    return state;
}

CallerFacts look_at_caller() {
    CallerFacts caller;
    caller.uid = ::geteuid();
    const group *portd = ::getgrnam("portd");
    if (!portd)
        return caller;
    caller.has_group = true;
    const gid_t wanted = portd->gr_gid;
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    groups.resize(static_cast<std::size_t>(
        std::max(::getgroups(static_cast<int>(groups.size()), groups.data()), 0)));
    caller.is_member = ::getegid() == wanted || std::ranges::find(groups, wanted) != groups.end();
    return caller;
}

void ask_daemon(const Session &session, Facts &facts) {
    try {
        Connection connection = session.connect();
        facts.status = decoded<proto::Status>(
            ask_once(connection, proto::methods::status, nlohmann::json::object()));
    } catch (const ServiceError &error) {
        facts.socket.error = error.what();
    }
}

// The service manager listens, and starts the service for whoever connects.
bool would_start(const Facts &facts) {
    return facts.socket.path == default_socket && facts.service && facts.socket_unit &&
           facts.socket_unit->active == "active" &&
           (facts.service->active == "inactive" || facts.service->active == "failed");
}

bool is_clock_synchronized() {
    timex state{};
    return ::adjtimex(&state) != -1 && (state.status & STA_UNSYNC) == 0;
}

template <typename Number>
Number number_in(std::string_view text, int base = 10) {
    Number number{};
    std::from_chars(text.data(), text.data() + text.size(), number, base);
    return number;
}

} // namespace

UnitFacts parse_unit(std::string_view text) {
    UnitFacts unit;
    std::istringstream lines{std::string(text)};
    std::string line;
    while (std::getline(lines, line)) {
        const auto equals = line.find('=');
        if (equals == std::string::npos)
            continue;
        const std::string name = line.substr(0, equals);
        std::string value = line.substr(equals + 1);
        if (name == "LoadState")
            unit.load = std::move(value);
        else if (name == "ActiveState")
            unit.active = std::move(value);
        else if (name == "UnitFileState")
            unit.unit_file = std::move(value);
        else if (name == "Result")
            unit.result = std::move(value);
        else if (name == "ExecMainStatus")
            unit.exit_status = number_in<int>(value);
        else if (name == "MainPID")
            unit.main_pid = number_in<std::int64_t>(value);
    }
    return unit;
}

std::optional<std::uint64_t> parse_capabilities(std::string_view status) {
    constexpr std::string_view label = "\nCapEff:\t";
    const auto at = status.find(label);
    if (at == std::string_view::npos)
        return std::nullopt;
    return number_in<std::uint64_t>(status.substr(at + label.size()), 16);
}

Facts gather_facts(const Session &session, const std::optional<std::string> &state_directory) {
    Facts facts;
    utsname names{};
    ::uname(&names);
    facts.kernel = names.release;
    facts.kernel_config = read_kernel_config(facts.kernel);
    facts.has_btf = ::access("/sys/kernel/btf/vmlinux", F_OK) == 0;
    facts.lockdown = read_file("/sys/kernel/security/lockdown").value_or("");
    facts.mounts = read_file("/proc/mounts").value_or("");
    facts.service = ask_unit("portd.service");
    facts.socket_unit = ask_unit("portd.socket");
    if (facts.service && facts.service->main_pid > 0)
        if (const auto status =
                read_file("/proc/" + std::to_string(facts.service->main_pid) + "/status"))
            facts.capabilities = parse_capabilities(*status);
    facts.socket.path = session.settings().socket_path;
    look_at_socket(facts.socket);
    facts.socket.is_asked = !would_start(facts);
    if (facts.socket.is_asked)
        ask_daemon(session, facts);
    const auto told = facts.status ? facts.status->state_directory : std::nullopt;
    facts.state = look_at_state(state_directory.value_or(told.value_or(usual_state_directory)));
    facts.state.is_told = state_directory || told;
    facts.caller = look_at_caller();
    facts.clock_is_synchronized = is_clock_synchronized();
    facts.now_us = session.now_usec();
    return facts;
}

} // namespace portd::client
