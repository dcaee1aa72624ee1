#include "client/doctor.hpp"

#include "client/text.hpp"
#include "proto/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>
#include <string_view>

#include <sys/stat.h>

namespace portd::client {
namespace {

constexpr const char *fallback = "install -D -m 644 /usr/share/doc/portd/examples/fallback.conf "
                                 "/etc/systemd/system/portd.service.d/fallback.conf\n"
                                 "systemctl daemon-reload\n"
                                 "systemctl restart portd.service";
constexpr const char *read_log = "journalctl -u portd.service -b -e";

Finding good(std::string subject, std::string text) {
    return {Verdict::good, std::move(subject), std::move(text), ""};
}
Finding bad(std::string subject, std::string text, std::string remedy) {
    return {Verdict::bad, std::move(subject), std::move(text), std::move(remedy)};
}
Finding notice(std::string subject, std::string text, std::string remedy = "") {
    return {Verdict::notice, std::move(subject), std::move(text), std::move(remedy)};
}
Finding unknown(std::string subject, std::string text, std::string remedy = "") {
    return {Verdict::unknown, std::move(subject), std::move(text), std::move(remedy)};
}

// What ebpf would need is no fault where it works all the same.
bool captures_exactly(const Facts &facts) {
    return facts.status && facts.status->tier == CaptureTier::ebpf;
}

// ebpf cannot work on this machine: what is left is to let another tier see as much as it can.
Finding without_ebpf(const Facts &facts, std::string subject, const std::string &text) {
    // CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE of linux/capability.h, which the drop-in gives.
    constexpr std::uint64_t wanted = 1ULL << 2 | 1ULL << 19;
    if ((facts.capabilities.value_or(0) & wanted) == wanted)
        return notice(std::move(subject), text + "; the permissions for other tiers are given");
    return bad(std::move(subject), text, fallback);
}

// "CONFIG_X=y" or "=m" on a line of its own.
bool is_set(std::string_view config, std::string_view option) {
    const std::string start = std::string(option) + "=";
    std::size_t at = 0;
    while ((at = config.find(start, at)) != std::string_view::npos) {
        const bool begins_line = at == 0 || config[at - 1] == '\n';
        at += start.size();
        if (begins_line && at < config.size() && (config[at] == 'y' || config[at] == 'm'))
            return true;
    }
    return false;
}

std::string with_percent(std::int64_t part, std::int64_t whole) {
    return std::to_string(whole > 0 ? part * 100 / whole : 0) + " %";
}

} // namespace

std::string_view to_string(Verdict verdict) {
    switch (verdict) {
    case Verdict::good:
        return "good";
    case Verdict::notice:
        return "notice";
    case Verdict::bad:
        return "bad";
    case Verdict::unknown:
        return "unknown";
    }
    return "unknown";
}

Finding check_kernel(const Facts &facts) {
    int major = 0;
    int minor = 0;
    if (std::sscanf(facts.kernel.c_str(), "%d.%d", &major, &minor) != 2)
        return unknown("kernel", "the release '" + facts.kernel + "' says no version");
    if (major > 6 || (major == 6 && minor >= 1))
        return good("kernel", "Linux " + facts.kernel);
    return without_ebpf(facts, "kernel",
                        "Linux " + facts.kernel +
                            " is older than 6.1, which the tier ebpf needs; until there is a newer "
                            "one, sock_diag needs more permissions");
}

Finding check_kernel_options(const Facts &facts) {
    if (captures_exactly(facts))
        return good("kernel options", "all that the tier ebpf needs is there: it works");
    if (!facts.kernel_config)
        return unknown("kernel options", "the configuration of the kernel is neither in /boot nor "
                                         "in /proc/config.gz");
    static constexpr std::array needed{
        "CONFIG_BPF_SYSCALL", "CONFIG_BPF_JIT",       "CONFIG_BPF_EVENTS",    "CONFIG_CGROUP_BPF",
        "CONFIG_INET_DIAG",   "CONFIG_INET_UDP_DIAG", "CONFIG_DEBUG_INFO_BTF"};
    std::string missing;
    for (const char *option : needed)
        if (!is_set(*facts.kernel_config, option))
            missing += (missing.empty() ? "" : ", ") + std::string(option);
    if (missing.empty())
        return good("kernel options", "all that portd needs are set");
    return without_ebpf(facts, "kernel options",
                        "this kernel is built without " + missing +
                            "; take a kernel of the distribution, or use the tier sock_diag");
}

Finding check_btf(const Facts &facts) {
    if (facts.has_btf)
        return good("BTF", "/sys/kernel/btf/vmlinux is there");
    return bad("BTF",
               "/sys/kernel/btf/vmlinux is missing: the kernel is built without "
               "CONFIG_DEBUG_INFO_BTF, or /sys is not mounted; the tier ebpf needs it",
               "mountpoint -q /sys || mount -t sysfs sysfs /sys");
}

Finding check_lockdown(const Facts &facts) {
    if (facts.lockdown.find("[confidentiality]") == std::string::npos)
        return good("lockdown", "the kernel lets programs of eBPF read its memory");
    return without_ebpf(facts, "lockdown",
                        "the kernel is locked down for confidentiality, which forbids what the "
                        "tier ebpf does: boot without lockdown=confidentiality, or use the tier "
                        "sock_diag");
}

Finding check_control_groups(const Facts &facts) {
    std::istringstream lines(facts.mounts);
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string device, path, type;
        words >> device >> path >> type;
        if (type == "cgroup2")
            return good("control groups", "version 2 is mounted on " + path);
    }
    return bad("control groups",
               "no hierarchy of version 2 is mounted, to which the tier ebpf attaches its hooks",
               "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
}

Finding check_service(const Facts &facts) {
    const std::string start = "systemctl enable --now portd.socket portd.service";
    if (!facts.service)
        return unknown("service", "systemd does not tell of portd.service");
    const UnitFacts &service = *facts.service;
    if (service.load == "not-found")
        return facts.status ? notice("service", "portd runs, but not as portd.service")
                            : bad("service", "portd.service is not installed", "apt install portd");
    if (service.load == "masked")
        return bad("service", "portd.service is masked",
                   "systemctl unmask portd.service\n" + start);
    if (service.active == "active" && service.unit_file == "disabled")
        return notice("service", "portd.service runs, but will not start at the next boot",
                      "systemctl enable portd.socket portd.service");
    if (service.active == "active")
        return good("service", "portd.service runs");
    if (service.active == "activating" || service.active == "reloading")
        return notice("service", "portd.service is " + service.active, read_log);
    if (service.active == "failed" && service.result == "exit-code" && service.exit_status == 2)
        return bad("service",
                   "portd.service cannot use its settings; the log names the file and line. Mend "
                   "it, then start",
                   std::string(read_log) + "\nsystemctl restart portd.service");
    if (service.active == "failed")
        return bad("service",
                   "portd.service has failed (" + service.result + ", exit status " +
                       std::to_string(service.exit_status) + "); the log says why",
                   std::string(read_log) + "\nsystemctl restart portd.service");
    return bad("service", "portd.service does not run", start);
}

Finding check_capabilities(const Facts &facts) {
    if (!facts.capabilities)
        return unknown("capabilities", "there is no running portd.service to look at");
    struct Capability {
        const char *name;
        unsigned bit; // linux/capability.h
    };
    static constexpr std::array<Capability, 3> needed{
        {{"CAP_NET_ADMIN", 12}, {"CAP_PERFMON", 38}, {"CAP_BPF", 39}}};
    std::string missing;
    for (const auto &[name, bit] : needed)
        if ((*facts.capabilities >> bit & 1) == 0)
            missing += (missing.empty() ? "" : ", ") + std::string(name);
    if (missing.empty())
        return good("capabilities", "portd has CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
    return bad("capabilities",
               "portd lacks " + missing +
                   ": a drop-in of the unit takes them away (CapabilityBoundingSet=, "
                   "AmbientCapabilities=), or a container does",
               "systemctl cat portd.service\nsystemctl edit portd.service\n"
               "systemctl restart portd.service");
}

Finding check_socket(const Facts &facts) {
    const SocketFacts &socket = facts.socket;
    const std::string again = "systemctl restart portd.socket portd.service";
    if (socket.is_hidden)
        return unknown("socket", "you may not look whether " + socket.path + " is there");
    if (!socket.mode)
        return bad("socket", socket.path + " is not there", again);
    if (!S_ISSOCK(*socket.mode))
        return bad("socket", socket.path + " is not a socket", "rm " + socket.path + "\n" + again);
    if ((*socket.mode & 0666) != 0666)
        return bad("socket", "not everybody may connect to " + socket.path,
                   "chmod 666 " + socket.path);
    if (!socket.is_asked)
        return unknown("socket",
                       "portd.socket listens on " + socket.path +
                           ", and would start portd.service for whoever asks: it is not asked");
    if (!socket.error.empty())
        return bad("socket", socket.path + ": " + socket.error, again);
    if (facts.socket_unit && facts.socket_unit->load == "loaded" &&
        facts.socket_unit->active != "active")
        return notice("socket",
                      "portd answers on " + socket.path +
                          ", but not through portd.socket: while it is restarted nobody listens",
                      again);
    return good("socket", "portd answers on " + socket.path);
}

Finding check_capture(const Facts &facts) {
    if (!facts.status)
        return unknown("capture", "portd does not say how it watches");
    const proto::Status &status = *facts.status;
    std::string reasons;
    for (const std::string &reason : status.tier_reasons)
        reasons += "; " + reason;
    if (!status.watching_since_usec)
        return bad("capture", "portd is not watching" + reasons, read_log);
    if (status.tier == CaptureTier::ebpf)
        return good("capture", "watching with ebpf" + reasons);
    const std::string tier(portd::to_string(status.tier));
    // Where a better tier failed, it says why.
    if (status.tier_reasons.empty())
        return notice("capture", "watching with " + tier + ", as its settings ask for");
    return without_ebpf(facts, "capture",
                        "watching with " + tier + ", which does not see everything" + reasons +
                            "; where ebpf cannot work, let this tier see whose sockets they are");
}

Finding check_self_check(const Facts &facts) {
    if (!facts.status || !facts.status->self_check)
        return unknown("self-check", "none was made: only the tier ebpf makes one");
    const proto::SelfCheck &check = *facts.status->self_check;
    if (check.passed)
        return good("self-check", check.detail);
    return bad("self-check", check.detail, "systemctl restart portd.service\nportd-ctl status");
}

Finding check_losses(const Facts &facts) {
    if (!facts.status)
        return unknown("losses", "portd does not say what it lost");
    std::string losses;
    bool is_ring_full = false;
    for (const proto::LossCount &loss : facts.status->losses) {
        if (loss.events == 0)
            continue;
        losses += (losses.empty() ? "" : ", ") + std::to_string(loss.events) + " " + loss.cause;
        is_ring_full = is_ring_full || loss.cause == "ringFull";
    }
    if (losses.empty())
        return good("losses", "no event was lost since the start");
    return notice("losses", "lost since the start: " + losses,
                  is_ring_full ? "echo 'ring_size = \"64M\"' >/etc/portd/portd.toml.d/ring.toml\n"
                                 "systemctl restart portd.service"
                               : read_log);
}

Finding check_state_directory(const Facts &facts) {
    const StateFacts &state = facts.state;
    if (state.is_hidden)
        return unknown("state directory", "you may not look whether " + state.path + " is there");
    if (!state.mode && !state.is_told)
        return unknown("state directory",
                       state.path + " is not there; whether history is elsewhere, portd tells once "
                                    "it runs");
    if (!state.mode)
        return bad("state directory", state.path + " is not there: portd.service makes it",
                   "systemctl restart portd.service");
    if (!S_ISDIR(*state.mode))
        return bad("state directory", state.path + " is not a directory",
                   "rm " + state.path + "\nsystemctl restart portd.service");
    if ((*state.mode & 0007) != 0)
        return bad("state directory",
                   "everybody may look into " + state.path + ", where everybody's history is",
                   "chmod 750 " + state.path);
    if (facts.service && facts.service->load == "loaded" && state.owner != "portd")
        return bad("state directory", state.path + " belongs to " + state.owner + ", not to portd",
                   "chown -R portd:portd " + state.path + "\nsystemctl restart portd.service");
    if (!state.damaged)
        return unknown("state directory",
                       state.path + ": only root and the group portd may look into it");
    if (!state.damaged->empty())
        return notice("state directory",
                      counted(static_cast<std::int64_t>(state.damaged->size()), "damaged file") +
                          " of history set aside, " + state.damaged->front() +
                          " among them; what is in them is not in answers",
                      "sqlite3 " + state.path + "/" + state.damaged->front() + " .recover");
    return good("state directory", state.path + " belongs to " + state.owner);
}

Finding check_space(const Facts &facts) {
    const StateFacts &state = facts.state;
    if (!state.mode || state.size_bytes <= 0)
        return unknown("space", "the state directory cannot be looked at");
    constexpr std::int64_t least = std::int64_t{64} << 20;
    const std::string left = std::to_string(state.free_bytes >> 20) + " MiB (" +
                             with_percent(state.free_bytes, state.size_bytes) + ") are free";
    if (state.free_bytes >= least)
        return good("space", left);
    return bad("space",
               left + " on the file system of " + state.path + ": make room, or keep less history",
               "printf '[store]\\nmax_size = \"512M\"\\n' >/etc/portd/portd.toml.d/size.toml\n"
               "systemctl reload portd.service");
}

Finding check_clock(const Facts &facts) {
    constexpr std::int64_t year_2024_us = 1'704'067'200'000'000;
    if (facts.now_us < year_2024_us)
        return bad("clock", "the clock is set to a time before 2024: so are the times of history",
                   "timedatectl set-ntp true");
    if (facts.clock_is_synchronized)
        return good("clock", "synchronized");
    return notice("clock",
                  "nothing synchronizes the clock: times of other machines may not fit those here",
                  "timedatectl set-ntp true");
}

Finding check_access(const Facts &facts) {
    const CallerFacts &caller = facts.caller;
    if (caller.uid == 0)
        return good("access", "root sees everything");
    if (!caller.has_group)
        return notice("access", "there is no group portd: only root sees everything",
                      "systemd-sysusers");
    if (caller.is_member)
        return good("access", "a member of the group portd sees everything");
    return notice("access",
                  "you see the leases of your own sockets only; members of the group portd see all "
                  "(from their next login on)",
                  "sudo usermod -aG portd \"$USER\"");
}

std::vector<Finding> examine(const Facts &facts) {
    static constexpr std::array checks{
        check_kernel,  check_kernel_options,  check_btf,    check_lockdown, check_control_groups,
        check_service, check_capabilities,    check_socket, check_capture,  check_self_check,
        check_losses,  check_state_directory, check_space,  check_clock,    check_access};
    std::vector<Finding> findings;
    for (const auto check : checks)
        findings.push_back(check(facts));
    return findings;
}

} // namespace portd::client
