// Reads what a process is from /proc (proc(5)).
//
// An open /proc/PID directory stands for one process for good: once that process is gone, every
// read below it fails, also when the pid has been given away again. What an open directory does not
// rule out is that the process executes another program meanwhile. An ImageStamp tells: it has the
// places at which the kernel put the program's code and stack, which an exec chooses anew.
#pragma once

#include "capture/redact.hpp"
#include "model/process.hpp"
#include "system/fd.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portd::capture {

// Fields of /proc/PID/stat, by their numbers in proc(5).
struct ProcessStat {
    std::int32_t pid = 0;     // 1
    std::string command;      // 2, with the kernel's escapes of newline and backslash undone
    char state = '?';         // 3
    std::int32_t parent = 0;  // 4
    std::int64_t threads = 0; // 20, the dead ones that still wait included
    std::uint64_t started_at_ticks = 0; // 22
    std::uint64_t start_code = 0;       // 26; 0: has no memory of its own, 1: we may not know
    std::uint64_t start_stack = 0;      // 28

    bool operator==(const ProcessStat &) const = default;
};

struct ProcessOwner {
    std::uint32_t uid = 0; // effective
    std::uint32_t gid = 0;

    bool operator==(const ProcessOwner &) const = default;
};

// Pure parsers of the files' texts; nothing if the text is not what proc(5) says.
std::optional<ProcessStat> parse_stat(std::string_view text);
std::optional<ProcessOwner> parse_status(std::string_view text);
// Absent also where no login uid was set (4294967295).
std::optional<std::uint32_t> parse_login_uid(std::string_view text);
// Of /proc/PID/cmdline: separated by NUL, the empty ones at the end left out (programs that write a
// title over their arguments leave them).
std::vector<std::string_view> split_arguments(std::string_view text);

// One image of one process: equal stamps, equal image.
struct ImageStamp {
    // Over: dead, with all its threads, and only waited for.
    enum class Life : std::uint8_t { goes_on, over };

    model::ProcessKey key;
    Life life = Life::goes_on;
    std::uint64_t start_code = 0;
    std::uint64_t start_stack = 0;
    std::optional<std::string> executable; // target of the exe link, as the kernel gives it

    // Whether there is an image: not a kernel thread, not a process that is dying or amid an exec.
    bool is_settled() const { return start_code != 0; }
    bool operator==(const ImageStamp &) const = default;
};

// An open /proc/PID.
class OpenProcess {
  public:
    OpenProcess(std::int32_t pid, system::Fd directory)
        : pid_(pid), directory_(std::move(directory)) {}

    std::int32_t pid() const { return pid_; }
    int directory() const { return directory_.get(); }

  private:
    std::int32_t pid_;
    system::Fd directory_;
};

// Results are absent where the process is gone, or hidden from us (hidepid=). Other faults are
// thrown as std::system_error.
class ProcessReader {
  public:
    static constexpr std::size_t max_argument_bytes = 4096;
    static constexpr std::size_t max_ancestors = 4;

    explicit ProcessReader(ArgumentPolicy policy, std::string proc_root = "/proc");

    std::optional<OpenProcess> open(std::int32_t pid) const;
    std::optional<ImageStamp> read_stamp(const OpenProcess &process) const;
    std::optional<model::ProcessKey> read_key(std::int32_t pid) const;

    // All fields are of one image: if the process executes another program meanwhile, it is read
    // again.
    std::optional<model::Process> read(const OpenProcess &process) const;
    std::optional<model::Process> read(std::int32_t pid) const;

    // What the setting lets be kept of these arguments.
    std::optional<std::string> kept(const std::vector<std::string_view> &arguments) const;

    const std::string &proc_root() const { return proc_root_; }

  private:
    model::Process read_once(const OpenProcess &process, const ProcessStat &stat) const;
    std::optional<ProcessStat> read_stat(const OpenProcess &process) const;
    std::optional<std::string> read_arguments(const OpenProcess &process) const;
    std::vector<model::Ancestor> read_ancestors(const OpenProcess &process, ProcessStat stat) const;
    model::ProcessKey key_of(const ProcessStat &stat) const;

    ArgumentPolicy policy_;
    std::string proc_root_;
    std::int64_t ticks_per_second_;
};

} // namespace portd::capture
