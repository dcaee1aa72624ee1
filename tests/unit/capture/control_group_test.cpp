#include "capture/control_group.hpp"

#include <gtest/gtest.h>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace portd::capture {
namespace {

const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string other_id = "f" + id.substr(1);
const auto none = std::nullopt;

struct Group {
    std::string path;
    std::optional<std::string> unit;
    std::optional<std::string> container;
};

void PrintTo(const Group &group, std::ostream *out) {
    *out << group.path;
}

class ControlGroup : public ::testing::TestWithParam<Group> {};

TEST_P(ControlGroup, TellsUnitAndContainer) {
    EXPECT_EQ(unit_of(GetParam().path), GetParam().unit);
    EXPECT_EQ(container_of(GetParam().path), GetParam().container);
}

const std::string user = "/user.slice/user-1000.slice/user@1000.service";

const std::vector<Group> units{
    {"/", none, none},
    {"", none, none},
    {"/init.scope", "init.scope", none},
    {"/system.slice/ssh.service", "ssh.service", none},
    {"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", none},
    {"/system.slice/systemd-fsck@dev-disk-by\\x2duuid-1.service",
     "systemd-fsck@dev-disk-by\\x2duuid-1.service", none},
    {"/system.slice/dev-hugepages.mount", "dev-hugepages.mount", none},
    {"/user.slice/user-1000.slice/session-3.scope", "session-3.scope", none},
    {user + "/app.slice/app-gnome\\x2dterminal-12.scope", "app-gnome\\x2dterminal-12.scope", none},
    {user + "/app.slice/dbus.service/sub", "dbus.service", none},
    {user + "/init.scope", "user@1000.service", none},
    {user, "user@1000.service", none},
    {user + "/app.slice", "user@1000.service", none},
    {"/system.slice/_cgroup.service", "cgroup.service", none},
    {"/system.slice", none, none},
    {"/.slice/x.service", none, none},
    {"/system.slice/.service", none, none},
    {"/system.slice/with space.service", none, none},
    {"/system.slice/" + std::string(300, 'a') + ".service", none, none},
    {"/mygroup/x.service", none, none},
};

const std::vector<Group> containers{
    {"/docker/" + id, none, id},
    {"/system.slice/docker-" + id + ".scope", "docker-" + id + ".scope", id},
    {"/system.slice/docker-" + id + ".scope/kubelet.slice/cri-containerd-" + other_id + ".scope",
     "docker-" + id + ".scope", id},
    {"/machine.slice/libpod-" + id + ".scope/container", "libpod-" + id + ".scope", id},
    {"/machine.slice/libpod-conmon-" + id + ".scope", "libpod-conmon-" + id + ".scope", none},
    {"/libpod_parent/libpod-" + id, none, id},
    {"/libpod_parent/conmon", none, none},
    {user + "/user.slice/libpod-" + id + ".scope", "libpod-" + id + ".scope", id},
    {"/kubepods/burstable/pod0123/" + id, none, id},
    {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_3.slice/cri-containerd-" +
         id + ".scope",
     "cri-containerd-" + id + ".scope", id},
    {"/kubepods.slice/kubepods-pod1.slice/crio-" + id + ".scope", "crio-" + id + ".scope", id},
    {"/kubepods.slice/kubepods-pod1.slice/crio-conmon-" + id + ".scope",
     "crio-conmon-" + id + ".scope", none},
    {"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + id,
     "containerd.service", id},
    {"/kubepods.slice/kubepods-pod1.slice", none, none},
    {"/docker/" + id.substr(1), none, none},
    {"/docker/" + id + "0", none, none},
    {"/lxc.payload.web", none, "web"},
    {"/lxc.payload.web/system.slice/ssh.service", none, "web"},
    {"/lxc.payload/web", none, "web"},
    {"/lxc/web/init.scope", none, "web"},
    {"/lxc.monitor.web", none, none},
    {"/lxc.payload.", none, none},
    {"/machine.slice/machine-deb\\x2d12.scope", "machine-deb\\x2d12.scope", "deb-12"},
    {"/machine.slice/machine-deb.scope/payload/system.slice/x.service", "machine-deb.scope", "deb"},
    {"/machine.slice/machine-deb.scope/supervisor", "machine-deb.scope", none},
    {"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "machine-qemu\\x2d1\\x2dvm.scope", none},
    {"/machine.slice/systemd-nspawn@deb.service/payload", "systemd-nspawn@deb.service", "deb"},
    {"/machine.slice/systemd-nspawn@deb.service/supervisor", "systemd-nspawn@deb.service", none},
};

INSTANTIATE_TEST_SUITE_P(Units, ControlGroup, ::testing::ValuesIn(units));
INSTANTIATE_TEST_SUITE_P(Containers, ControlGroup, ::testing::ValuesIn(containers));

TEST(SliceOf, IsTheHostsInnermost) {
    EXPECT_EQ(slice_of("/system.slice/ssh.service"), "system.slice");
    EXPECT_EQ(slice_of("/system.slice/system-getty.slice/getty@tty1.service"),
              "system-getty.slice");
    EXPECT_EQ(slice_of(user + "/app.slice/dbus.service"), "user-1000.slice");
    EXPECT_EQ(slice_of("/user.slice/user-1000.slice/session-3.scope"), "user-1000.slice");
    EXPECT_EQ(slice_of("/kubepods.slice/kubepods-pod1.slice/crio-" + id + ".scope"),
              "kubepods-pod1.slice");
    EXPECT_EQ(slice_of("/machine.slice/machine-deb.scope/payload/system.slice/x.service"),
              "machine.slice");
    EXPECT_EQ(slice_of("/system.slice"), "system.slice");
    EXPECT_EQ(slice_of("/_a.slice/b.service"), "a.slice");
}

TEST(SliceOf, IsAbsentWhereThePathNamesNone) {
    for (const std::string &path :
         {std::string("/"), std::string(), std::string("/init.scope"), "/docker/" + id,
          std::string("/lxc.payload.web/system.slice/ssh.service"),
          std::string("/.slice/x.service"), std::string("/with space.slice/x.service"),
          "/" + std::string(300, 'a') + ".slice/x.service"})
        EXPECT_EQ(slice_of(path), none) << path;
}

TEST(ParseControlGroup, TakesTheUnifiedHierarchyUnlessItIsEmpty) {
    EXPECT_EQ(parse_control_group("0::/system.slice/a.service\n"), "/system.slice/a.service");
    EXPECT_EQ(parse_control_group("0::/a b:c"), "/a b:c");
    EXPECT_EQ(parse_control_group("0::/x (deleted)\n"), "/x");
    EXPECT_EQ(parse_control_group("4:memory:/m\n1:name=systemd:/s.service\n0::/\n"), "/s.service");
    EXPECT_EQ(parse_control_group("1:name=systemd:/s\n0::/u\n"), "/u");
    EXPECT_EQ(parse_control_group("1:name=systemd:/s\n"), "/s");
    EXPECT_EQ(parse_control_group("4:memory:/m\n0::/\n"), "/");
}

TEST(ParseControlGroup, IsAbsentWhereThereIsNone) {
    for (const auto *text : {"", "\n", "0", "0:", "0::", "0::relative\n", "4:memory:/m\n"})
        EXPECT_EQ(parse_control_group(text), none) << text;
}

} // namespace
} // namespace portd::capture
