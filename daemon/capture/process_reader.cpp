#include "capture/process_reader.hpp"

#include "capture/control_group.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace portd::capture {
namespace {

constexpr std::string_view deleted_mark = " (deleted)";
constexpr auto npos = std::string_view::npos;

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number = 0;
    const auto *end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end)
        return std::nullopt;
    return number;
}

// The next run of characters that are not blank; empty at the end.
std::string_view take_word(std::string_view &text) {
    constexpr std::string_view blanks = " \t\n";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    const auto word = text.substr(0, text.find_first_of(blanks));
    text.remove_prefix(word.size());
    return word;
}

// proc_task_name() in the kernel's fs/proc/array.c escapes these two.
std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (text[i] == '\\' && (next == 'n' || next == '\\')) {
            result += next == 'n' ? '\n' : '\\';
            ++i;
        } else {
            result += text[i];
        }
    }
    return result;
}

[[noreturn]] void fail(int error, std::int32_t pid, std::string_view file) {
    throw std::system_error(error, std::generic_category(),
                            "process " + std::to_string(pid) + ": " + std::string(file));
}

// Whether an error means that the process, or what we may see of it, is not there.
bool means_gone(int error) {
    return error == ENOENT || error == ESRCH;
}
bool means_refused(int error) {
    return error == EACCES || error == EPERM;
}

// At most `limit` bytes of a file; nothing if it is not there or we may not read it.
std::optional<std::string> read_file(const OpenProcess &process, const char *name,
                                     std::size_t limit) {
    const system::Fd file(::openat(process.directory(), name, O_RDONLY | O_CLOEXEC));
    std::string text;
    if (!file) {
        if (means_gone(errno) || means_refused(errno))
            return std::nullopt;
        fail(errno, process.pid(), name);
    }
    constexpr std::size_t step = 4096;
    while (text.size() < limit) {
        const auto begin = text.size();
        text.resize(std::min(begin + step, limit));
        const auto got = ::read(file.get(), text.data() + begin, text.size() - begin);
        const int error = errno;
        text.resize(begin + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got == 0)
            break;
        if (got < 0 && error == EINTR)
            continue;
        if (got < 0 && (means_gone(error) || means_refused(error)))
            return std::nullopt;
        if (got < 0)
            fail(error, process.pid(), name);
    }
    return text;
}

std::optional<std::string> read_link(const OpenProcess &process, const char *name) {
    std::array<char, PATH_MAX + 1> target{};
    const auto size = ::readlinkat(process.directory(), name, target.data(), target.size());
    if (size >= 0)
        return std::string(target.data(), static_cast<std::size_t>(size));
    // ENAMETOOLONG: deeper than a path can be said.
    if (means_gone(errno) || means_refused(errno) || errno == ENAMETOOLONG)
        return std::nullopt;
    fail(errno, process.pid(), name);
}

// The kernel marks the name of a file that has no name any more, and a file can be named like that
// itself: then the whole name leads, in the process's own root, to the file that it runs.
std::string without_deleted_mark(const OpenProcess &process, std::string target) {
    if (!target.ends_with(deleted_mark))
        return target;
    struct stat running {};
    struct stat named {};
    const auto in_root = "root" + target;
    if (::fstatat(process.directory(), "exe", &running, 0) == 0 &&
        ::fstatat(process.directory(), in_root.c_str(), &named, 0) == 0 &&
        running.st_dev == named.st_dev && running.st_ino == named.st_ino)
        return target;
    target.resize(target.size() - deleted_mark.size());
    return target;
}

} // namespace

std::optional<ProcessStat> parse_stat(std::string_view text) {
    const auto open = text.find(" (");
    const auto close =
        text.rfind(')'); // the command can hold parentheses, the fields after it cannot
    if (open == npos || close == npos || close < open + 2)
        return std::nullopt;
    ProcessStat stat;
    const auto pid = parse_number<std::int32_t>(text.substr(0, open));
    stat.command = unescaped(text.substr(open + 2, close - open - 2));
    text.remove_prefix(close + 1);
    constexpr std::uint64_t max_ticks = 100'000'000'000'000; // their microseconds fit an int64
    constexpr std::size_t first_field = 3;
    std::array<std::string_view, 28 - first_field + 1> fields;
    for (auto &field : fields)
        field = take_word(text);
    const auto field = [&](std::size_t number) { return fields[number - first_field]; };
    const auto parent = parse_number<std::int32_t>(field(4));
    const auto threads = parse_number<std::int64_t>(field(20));
    const auto started = parse_number<std::uint64_t>(field(22));
    const auto code = parse_number<std::uint64_t>(field(26));
    const auto stack = parse_number<std::uint64_t>(field(28));
    if (!pid || field(3).size() != 1 || !parent || !threads || !started || !code || !stack ||
        *started > max_ticks)
        return std::nullopt;
    stat.pid = *pid;
    stat.state = field(3).front();
    stat.parent = *parent;
    stat.threads = *threads;
    stat.started_at_ticks = *started;
    stat.start_code = *code;
    stat.start_stack = *stack;
    return stat;
}

std::optional<ProcessOwner> parse_status(std::string_view text) {
    // "Uid:" and "Gid:" are followed by the real, effective, saved and file system id.
    const auto effective = [&](std::string_view name) -> std::optional<std::uint32_t> {
        const auto at = text.find(name);
        if (at == npos)
            return std::nullopt;
        auto line = text.substr(at + name.size());
        line = line.substr(0, line.find('\n'));
        take_word(line);
        return parse_number<std::uint32_t>(take_word(line));
    };
    const auto uid = effective("\nUid:");
    const auto gid = effective("\nGid:");
    if (!uid || !gid)
        return std::nullopt;
    return ProcessOwner{*uid, *gid};
}

std::optional<std::uint32_t> parse_login_uid(std::string_view text) {
    constexpr std::uint32_t not_set = UINT32_MAX; // credentials(7), AUDIT_UID_UNSET
    const auto uid = parse_number<std::uint32_t>(take_word(text));
    return uid && *uid != not_set ? uid : std::nullopt;
}

std::vector<std::string_view> split_arguments(std::string_view text) {
    const auto last = text.find_last_not_of('\0');
    if (last == npos)
        return {};
    text = text.substr(0, last + 1);
    std::vector<std::string_view> arguments;
    for (;;) {
        const auto end = text.find('\0');
        arguments.push_back(text.substr(0, end));
        if (end == npos)
            return arguments;
        text.remove_prefix(end + 1);
    }
}

ProcessReader::ProcessReader(ArgumentPolicy policy, std::string proc_root)
    : policy_(policy), proc_root_(std::move(proc_root)), ticks_per_second_(::sysconf(_SC_CLK_TCK)) {
    if (ticks_per_second_ <= 0)
        throw std::system_error(errno, std::generic_category(), "sysconf(_SC_CLK_TCK)");
}

std::optional<OpenProcess> ProcessReader::open(std::int32_t pid) const {
    const auto path = proc_root_ + '/' + std::to_string(pid);
    system::Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory)
        return OpenProcess(pid, std::move(directory));
    if (means_gone(errno) || means_refused(errno) || errno == ENOTDIR)
        return std::nullopt;
    fail(errno, pid, path);
}

model::ProcessKey ProcessReader::key_of(const ProcessStat &stat) const {
    constexpr std::uint64_t us_per_second = 1'000'000;
    const auto rate = static_cast<std::uint64_t>(ticks_per_second_);
    const auto seconds = stat.started_at_ticks / rate;
    const auto us = seconds * us_per_second + stat.started_at_ticks % rate * us_per_second / rate;
    return {stat.pid, model::instant_from_us(static_cast<std::int64_t>(us))};
}

std::optional<ProcessStat> ProcessReader::read_stat(const OpenProcess &process) const {
    constexpr std::size_t limit = 4096; // fifty numbers and a name
    const auto text = read_file(process, "stat", limit);
    if (!text)
        return std::nullopt;
    auto stat = parse_stat(*text);
    if (!stat || stat->pid != process.pid())
        fail(EBADMSG, process.pid(), "stat");
    return stat;
}

// The link first: both belong to the program's memory, which an exec replaces before it closes
// descriptors and sets the start of the code. So a stamp that is settled has no older descriptors,
// and one whose halves are of two programs differs from the next.
std::optional<ImageStamp> ProcessReader::read_stamp(const OpenProcess &process) const {
    auto executable = read_link(process, "exe");
    const auto stat = read_stat(process);
    if (!stat)
        return std::nullopt;
    const bool dead = (stat->state == 'Z' || stat->state == 'X') && stat->threads <= 1;
    return ImageStamp{key_of(*stat), dead ? ImageStamp::Life::over : ImageStamp::Life::goes_on,
                      stat->start_code, stat->start_stack, std::move(executable)};
}

std::optional<model::ProcessKey> ProcessReader::read_key(std::int32_t pid) const {
    const auto process = open(pid);
    const auto stat = process ? read_stat(*process) : std::nullopt;
    return stat ? std::optional(key_of(*stat)) : std::nullopt;
}

std::optional<model::Process> ProcessReader::read(std::int32_t pid) const {
    const auto process = open(pid);
    return process ? read(*process) : std::nullopt;
}

std::optional<model::Process> ProcessReader::read(const OpenProcess &process) const {
    constexpr int attempts = 4; // who executes programs faster than that is left alone
    for (int i = 0; i < attempts; ++i) {
        const auto before = read_stamp(process);
        const auto stat = read_stat(process);
        if (!before || !stat)
            return std::nullopt;
        // Amid an exec: the memory is the new program's, the name and the owner are the old one's.
        if (before->executable && !before->is_settled())
            continue;
        auto image = read_once(process, *stat);
        if (read_stamp(process) == before)
            return image;
    }
    return std::nullopt;
}

model::Process ProcessReader::read_once(const OpenProcess &process, const ProcessStat &stat) const {
    model::Process image;
    image.key = key_of(stat);
    image.command = stat.command;
    if (auto executable = read_link(process, "exe"))
        image.executable = without_deleted_mark(process, std::move(*executable));
    image.arguments = read_arguments(process);
    constexpr std::size_t status_limit = 64 * 1024; // the list of supplementary groups can be long
    if (const auto status = read_file(process, "status", status_limit)) {
        if (const auto owner = parse_status(*status)) {
            image.uid = owner->uid;
            image.gid = owner->gid;
        }
    }
    if (const auto login_uid = read_file(process, "loginuid", 32))
        image.login_uid = parse_login_uid(*login_uid);
    constexpr std::size_t cgroup_limit = 16 * PATH_MAX;
    if (const auto cgroup = read_file(process, "cgroup", cgroup_limit))
        image.control_group = parse_control_group(*cgroup);
    name_group(image);
    image.ancestors = read_ancestors(process, stat);
    return image;
}

std::optional<std::string> ProcessReader::read_arguments(const OpenProcess &process) const {
    // More than is kept: what is cut off before it is redacted may not be recognised.
    constexpr std::size_t limit = 8 * max_argument_bytes;
    const auto text =
        policy_ == ArgumentPolicy::off ? std::nullopt : read_file(process, "cmdline", limit);
    return text ? kept(split_arguments(*text)) : std::nullopt;
}

std::optional<std::string>
ProcessReader::kept(const std::vector<std::string_view> &arguments) const {
    if (policy_ == ArgumentPolicy::off || arguments.empty())
        return std::nullopt;
    std::string joined;
    if (policy_ == ArgumentPolicy::redacted) {
        joined = redact(arguments);
    } else {
        for (const auto argument : arguments)
            (joined += joined.empty() ? "" : " ") += argument;
    }
    joined.resize(std::min(joined.size(), max_argument_bytes));
    return joined;
}

// A parent's pid can be another process by the time we look. It was the parent if the child still
// says so after the parent was read: a child gets another parent when its own ends.
std::vector<model::Ancestor> ProcessReader::read_ancestors(const OpenProcess &process,
                                                           ProcessStat stat) const {
    std::vector<model::Ancestor> ancestors;
    std::optional<OpenProcess> opened;
    const OpenProcess *child = &process;
    while (ancestors.size() < max_ancestors && stat.parent > 0) {
        auto parent = open(stat.parent);
        const auto parent_stat = parent ? read_stat(*parent) : std::nullopt;
        const auto child_stat = read_stat(*child);
        if (!parent_stat || !child_stat || child_stat->parent != stat.parent ||
            parent_stat->started_at_ticks > stat.started_at_ticks)
            break;
        ancestors.push_back({parent_stat->pid, parent_stat->command});
        stat = *parent_stat;
        opened = std::move(parent);
        child = &*opened;
    }
    return ancestors;
}

} // namespace portd::capture
