"""CPU time of the whole machine and of processes, in microseconds. What the kernel does for a tool in
interrupts, workqueues and other processes is in no process's account: only the machine's shows it."""

import os
import pathlib
import platform

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def idle_us():
    """Time that CPUs had nothing to do, or that the hypervisor gave to others."""
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    idle, iowait, steal = fields[3], fields[4], fields[7]
    return (idle + iowait + steal) * TICK_US


def process_us(pid):
    """What a process has used so far, with its threads and the children that it waited for."""
    ran_ns = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        ran_ns += int((task / "schedstat").read_text().split()[0])
    children = sum(int(f) for f in stat_fields(pid)[13:15])
    return ran_ns / 1000 + children * TICK_US


def stat_fields(pid):
    """proc(5) /proc/PID/stat from the state on: field N of the manual is index N - 3."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


KTHREADD = 2


def accounts(own_root):
    """CPU time that was charged to kernel threads, and to processes that are neither those nor
    descendants of `own_root`, with the children that they waited for."""
    parents, used = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        pid = int(entry.name)
        try:
            fields = stat_fields(pid)
            parents[pid] = int(fields[1])
            used[pid] = process_us(pid)
        except OSError:
            continue  # it has just ended

    def root_of(pid):
        while pid not in (0, own_root, KTHREADD):
            pid = parents.get(pid, 0)
        return pid

    roots = {pid: root_of(pid) for pid in used}
    return {whose: {pid: us for pid, us in used.items() if roots[pid] == root}
            for whose, root in (("kernel", KTHREADD), ("others", 0))}


def used_between(before, after, whose):
    """Of two answers of accounts(). Of a kernel thread that has ended nothing is known any more; what
    a process used that has ended is in its parent's account, with all that it used before."""
    if whose == "kernel":
        return sum(us - before[whose].get(pid, 0) for pid, us in after[whose].items())
    return sum(after[whose].values()) - sum(before[whose].values())


def describe():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in cpuinfo.splitlines()
                  if line.startswith("model name")), platform.machine())
    memory_kib = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return (f"{os.cpu_count()} CPUs ({model}), {memory_kib / 2**20:.0f} GiB, "
            f"{platform.system()} {platform.release()}")
