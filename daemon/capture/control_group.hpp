// What a control group says of the processes in it: the systemd unit, its slice, and the container.
//
// A path is read from its root, and the first unit or container wins: those are the ones that the
// host's own systemd and container engine know. What is nested deeper (a systemd or an engine
// inside a container) belongs to the container; the whole path is kept beside them for whoever
// needs it.
#pragma once

#include "model/process.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace portd::capture {

// The path out of the text of /proc/PID/cgroup (cgroups(7)): the v2 line "0::/...". Where that says
// "/", or is missing, a version 1 hierarchy of systemd ("name=systemd") speaks. A trailing "
// (deleted)" is removed.
std::optional<std::string> parse_control_group(std::string_view text);

// The systemd unit of a control group path, spelled as systemd prints it (with its \x2d escapes),
// by the rules of systemd.unit(5) and of cg_path_get_unit() in systemd's src/basic/cgroup-util.c. A
// unit of a user's manager is preferred to the manager's own user@UID.service; what the manager
// runs for itself (init.scope) belongs to that.
std::optional<std::string> unit_of(std::string_view path);

// The slice that the unit of a control group path is in, by the rules of cg_path_get_slice(): the
// last of those at its root, which is the host's own. So what a user's manager runs is in that
// user's slice ("user-1000.slice"). Absent where the path names none.
std::optional<std::string> slice_of(std::string_view path);

// The container of a control group path: the 64 digit id of Docker, Podman, containerd and CRI-O,
// the name of an LXC container or of a systemd-nspawn machine. Absent for the processes beside a
// container that belong to the engine (conmon, lxc.monitor, nspawn's supervisor) and for virtual
// machines.
std::optional<std::string> container_of(std::string_view path);

// Fills in what the control group of a process says, if that is known.
void name_group(model::Process &process);

} // namespace portd::capture
