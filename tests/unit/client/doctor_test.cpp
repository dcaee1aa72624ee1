// What the doctor concludes from facts.
#include "client/doctor.hpp"
#include "client/doctor_facts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <sys/stat.h>

namespace portd::client::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t now_us = 1'795'317'125'000'000;

const char *const full_config = "CONFIG_BPF_SYSCALL=y\nCONFIG_BPF_JIT=y\nCONFIG_BPF_EVENTS=y\n"
                                "CONFIG_CGROUP_BPF=y\nCONFIG_INET_DIAG=m\nCONFIG_INET_UDP_DIAG=m\n"
                                "CONFIG_DEBUG_INFO_BTF=y\n";

proto::Status watching(CaptureTier tier) {
    proto::Status status;
    status.tier = tier;
    status.watching_since_usec = now_us - 1'000'000;
    return status;
}

// A machine on which all is well, asked by root.
Facts sound() {
    Facts facts;
    facts.kernel = "6.1.0-56-cloud-amd64";
    facts.kernel_config = full_config;
    facts.has_btf = true;
    facts.lockdown = "[none] integrity confidentiality\n";
    facts.mounts = "sysfs /sys sysfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
    facts.service = UnitFacts{"loaded", "active", "enabled", "success", 0, 812};
    facts.socket_unit = UnitFacts{"loaded", "active", "enabled", "success", 0, 0};
    facts.capabilities = 1ULL << 12 | 1ULL << 38 | 1ULL << 39;
    facts.socket = {"/run/portd/io.portd.Ports", S_IFSOCK | 0666, ""};
    facts.status = watching(CaptureTier::ebpf);
    facts.status->self_check = proto::SelfCheck{now_us, true, "saw all 4 sockets"};
    facts.state = {"/var/lib/portd", S_IFDIR | 0750, "portd",
                   8LL << 30,        16LL << 30,     std::vector<std::string>{}};
    facts.caller = {0, true, false};
    facts.clock_is_synchronized = true;
    facts.now_us = now_us;
    return facts;
}

void expect_bad(const Finding &finding, const char *text, const char *remedy) {
    EXPECT_EQ(finding.verdict, Verdict::bad) << finding.text;
    EXPECT_THAT(finding.text, HasSubstr(text));
    EXPECT_THAT(finding.remedy, HasSubstr(remedy));
}

void expect_notice(const Finding &finding, const char *text, const char *remedy) {
    EXPECT_EQ(finding.verdict, Verdict::notice) << finding.text;
    EXPECT_THAT(finding.text, HasSubstr(text));
    EXPECT_THAT(finding.remedy, HasSubstr(remedy));
}

TEST(Doctor, FindsNothingOnASoundMachine) {
    for (const Finding &finding : examine(sound())) {
        EXPECT_EQ(finding.verdict, Verdict::good) << finding.subject << ": " << finding.text;
        EXPECT_THAT(finding.remedy, IsEmpty()) << finding.subject;
    }
}

TEST(Doctor, SaysWhatMendsWhateverIsBad) {
    Facts facts = sound();
    facts.status.reset();
    facts.kernel = "5.10.0";
    facts.kernel_config = "";
    facts.has_btf = false;
    facts.lockdown = "none integrity [confidentiality]";
    facts.mounts = "";
    facts.service->active = "inactive";
    facts.capabilities = 0;
    facts.socket.mode.reset();
    facts.state.mode.reset();
    facts.now_us = 0;
    std::size_t bad = 0;
    for (const Finding &finding : examine(facts))
        if (finding.verdict == Verdict::bad) {
            ++bad;
            EXPECT_FALSE(finding.remedy.empty()) << finding.subject;
        }
    EXPECT_EQ(bad, 10U);
}

TEST(Doctor, WantsLinux61) {
    Facts facts = sound();
    for (const char *release : {"6.1.0", "6.12.3", "7.0"}) {
        facts.kernel = release;
        EXPECT_EQ(check_kernel(facts).verdict, Verdict::good) << release;
    }
    facts.kernel = "5.19.0-generic";
    expect_bad(check_kernel(facts), "older than 6.1", "fallback.conf");
    facts.kernel = "unnamed";
    EXPECT_EQ(check_kernel(facts).verdict, Verdict::unknown);
}

TEST(Doctor, NamesMissingKernelOptions) {
    Facts facts = sound();
    facts.status = watching(CaptureTier::sock_diag);
    EXPECT_EQ(check_kernel_options(facts).verdict, Verdict::good);
    facts.kernel_config = std::string(full_config) + "CONFIG_OTHER=y\n";
    const auto at = facts.kernel_config->find("CONFIG_CGROUP_BPF=y");
    facts.kernel_config->replace(at, 19, "# CONFIG_CGROUP_BPF is not set");
    expect_bad(check_kernel_options(facts), "without CONFIG_CGROUP_BPF;", "fallback.conf");
    facts.kernel_config.reset();
    EXPECT_EQ(check_kernel_options(facts).verdict, Verdict::unknown);
    facts.status = watching(CaptureTier::ebpf);
    EXPECT_EQ(check_kernel_options(facts).verdict, Verdict::good);
}

TEST(Doctor, AnOptionIsNotTakenForAnotherThatEndsAlike) {
    Facts facts = sound();
    facts.status = watching(CaptureTier::sock_diag);
    facts.kernel_config = std::string(full_config);
    facts.kernel_config->replace(facts.kernel_config->find("CONFIG_BPF_JIT=y"), 16,
                                 "MY_CONFIG_BPF_JIT=y");
    expect_bad(check_kernel_options(facts), "CONFIG_BPF_JIT", "");
}

TEST(Doctor, TellsWhatTheServiceSuffers) {
    Facts facts = sound();
    facts.service->unit_file = "disabled";
    expect_notice(check_service(facts), "next boot", "systemctl enable");
    facts.service->active = "inactive";
    expect_bad(check_service(facts), "does not run", "systemctl enable --now");
    facts.service->active = "failed";
    facts.service->result = "exit-code";
    facts.service->exit_status = 2;
    expect_bad(check_service(facts), "cannot use its settings", "journalctl -u portd.service");
    facts.service->exit_status = 77;
    expect_bad(check_service(facts), "exit status 77", "systemctl restart");
    facts.service->result = "watchdog";
    expect_bad(check_service(facts), "watchdog", "journalctl");
    facts.service->load = "masked";
    expect_bad(check_service(facts), "masked", "systemctl unmask");
    facts.service->load = "not-found";
    expect_notice(check_service(facts), "not as portd.service", "");
    facts.status.reset();
    expect_bad(check_service(facts), "not installed", "install");
    facts.service.reset();
    EXPECT_EQ(check_service(facts).verdict, Verdict::unknown);
}

TEST(Doctor, NamesMissingCapabilities) {
    Facts facts = sound();
    facts.capabilities = 1ULL << 12 | 1ULL << 39;
    expect_bad(check_capabilities(facts), "lacks CAP_PERFMON:", "systemctl edit");
    facts.capabilities.reset();
    EXPECT_EQ(check_capabilities(facts).verdict, Verdict::unknown);
}

TEST(Doctor, TellsWhatIsWrongWithTheSocket) {
    Facts facts = sound();
    facts.socket_unit->active = "inactive";
    expect_notice(check_socket(facts), "not through portd.socket", "portd.socket");
    facts.socket.error = "nobody answers";
    expect_bad(check_socket(facts), "nobody answers", "systemctl restart portd.socket");
    facts.socket.mode = S_IFSOCK | 0600;
    expect_bad(check_socket(facts), "not everybody", "chmod 666");
    facts.socket.mode = S_IFREG | 0666;
    expect_bad(check_socket(facts), "not a socket", "rm /run/portd");
    facts.socket.mode.reset();
    expect_bad(check_socket(facts), "not there", "systemctl restart");
    facts.socket.is_hidden = true;
    EXPECT_EQ(check_socket(facts).verdict, Verdict::unknown);
}

TEST(Doctor, SaysThatItDidNotAskWhoWouldHaveBeenStarted) {
    Facts facts = sound();
    facts.socket.is_asked = false;
    const Finding finding = check_socket(facts);
    EXPECT_EQ(finding.verdict, Verdict::unknown);
    EXPECT_THAT(finding.text, HasSubstr("would start portd.service"));
}

TEST(Doctor, WantsTheExactTier) {
    Facts facts = sound();
    facts.status = watching(CaptureTier::sock_diag);
    facts.status->tier_reasons = {"not ebpf: no BTF"};
    expect_bad(check_capture(facts), "not ebpf: no BTF", "fallback.conf");
    facts.capabilities = *facts.capabilities | 1ULL << 2 | 1ULL << 19;
    expect_notice(check_capture(facts), "are given", "");
    facts.kernel = "5.10.0";
    expect_notice(check_kernel(facts), "are given", "");
    facts.status->tier_reasons.clear();
    expect_notice(check_capture(facts), "as its settings ask for", "");
    facts.status->watching_since_usec.reset();
    expect_bad(check_capture(facts), "not watching", "journalctl");
    facts.status.reset();
    EXPECT_EQ(check_capture(facts).verdict, Verdict::unknown);
}

TEST(Doctor, TellsOfAFailedSelfCheckAndOfLosses) {
    Facts facts = sound();
    facts.status->self_check->passed = false;
    expect_bad(check_self_check(facts), "saw all 4", "restart");
    facts.status->losses = {{"overflow", 0}, {"ringFull", 12}};
    expect_notice(check_losses(facts), "12 ringFull", "ring_size = \"64M\""); // four times the default
    facts.status->losses = {{"scanFailed", 3}};
    expect_notice(check_losses(facts), "3 scanFailed", "journalctl");
}

TEST(Doctor, LooksAtTheStateDirectory) {
    Facts facts = sound();
    facts.state.damaged = {"current-000001.db.damaged-20261124T120000Z"};
    expect_notice(check_state_directory(facts), "1 damaged", ".recover");
    facts.state.damaged.reset();
    EXPECT_EQ(check_state_directory(facts).verdict, Verdict::unknown);
    facts.state.is_hidden = true;
    EXPECT_EQ(check_state_directory(facts).verdict, Verdict::unknown);
    facts.state.is_hidden = false;
    facts.state.owner = "root";
    expect_bad(check_state_directory(facts), "belongs to root", "chown -R portd:portd");
    facts.state.mode = S_IFDIR | 0755;
    expect_bad(check_state_directory(facts), "everybody", "chmod 750");
    facts.state.mode.reset();
    expect_bad(check_state_directory(facts), "not there", "systemctl restart");
    facts.state.is_told = false;
    EXPECT_EQ(check_state_directory(facts).verdict, Verdict::unknown);
    facts.state.mode = S_IFDIR | 0750;
    facts.state.free_bytes = 1 << 20;
    expect_bad(check_space(facts), "1 MiB (0 %) are free", "systemctl reload");
}

TEST(Doctor, LooksAtTheClockAndAtWhoAsks) {
    Facts facts = sound();
    facts.clock_is_synchronized = false;
    expect_notice(check_clock(facts), "synchronizes", "timedatectl");
    facts.now_us = 1'000'000;
    expect_bad(check_clock(facts), "before 2024", "timedatectl");
    facts.caller = {1000, true, false};
    expect_notice(check_access(facts), "your own sockets", "usermod");
    facts.caller.is_member = true;
    EXPECT_EQ(check_access(facts).verdict, Verdict::good);
    facts.caller = {1000, false, false};
    expect_notice(check_access(facts), "no group", "systemd-sysusers");
}

TEST(DoctorFacts, ReadWhatSystemctlAndProcSay) {
    const UnitFacts unit = parse_unit("Result=exit-code\nMainPID=0\nExecMainStatus=77\n"
                                      "LoadState=loaded\nActiveState=failed\n"
                                      "UnitFileState=enabled\n");
    EXPECT_EQ(unit.result, "exit-code");
    EXPECT_EQ(unit.exit_status, 77);
    EXPECT_EQ(unit.main_pid, 0);
    EXPECT_EQ(unit.active, "failed");
    EXPECT_EQ(parse_unit("no line of that kind\n=\n").active, "");
    EXPECT_EQ(parse_capabilities("Name:\tportd\nCapEff:\t000000c000001000\nCapBnd:\t0\n"),
              1ULL << 12 | 1ULL << 38 | 1ULL << 39);
    EXPECT_EQ(parse_capabilities("Name:\tportd\n"), std::nullopt);
}

} // namespace
} // namespace portd::client::test
