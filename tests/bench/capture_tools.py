"""The tools that capture_cost compares, each with how it is started, stopped and read. A tool is started
in the network namespace that the traffic is made in.

What a tool said is a list of rows (pid, address, port, peer, peer_port), one for each time that it named
the process of a connection."""

import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import machine
import workload

Row = collections.namedtuple("Row", "pid address port peer peer_port")


class CannotRun(Exception):
    """With the reason."""


def unmapped(address):
    return address.removeprefix("::ffff:").strip("[]")


def heed_interrupts():
    """A shell starts what runs in the background with SIGINT ignored, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Nothing:
    name = "nothing"
    ready_s = 0.2

    def start(self):
        pass

    def cpu_us(self):
        return 0.0

    def stop(self):
        pass

    def rows(self):
        return []

    def note(self, _connections):
        return ""


class Command(Nothing):
    """A program that prints a line for each connection or event."""
    ready_s = 3.0
    stop_signal = signal.SIGINT

    def __init__(self, name, command, parse):
        self.name, self.command, self.parse = name, command, parse

    def start(self):
        if not shutil.which(self.command[0]):
            raise CannotRun(f"{self.command[0]} is not installed")
        self.folder = tempfile.TemporaryDirectory(prefix="portd-bench.")
        self.out = pathlib.Path(self.folder.name, "out")
        self.err = pathlib.Path(self.folder.name, "err")
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=err,
                                            start_new_session=True, preexec_fn=heed_interrupts)
        time.sleep(self.ready_s)
        if self.process.poll() is not None:
            said = self.err.read_text().strip().splitlines() or ["it ended at once"]
            raise CannotRun(said[-1])

    def cpu_us(self):
        return machine.process_us(self.process.pid)

    def stop(self):
        os.killpg(self.process.pid, self.stop_signal)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def rows(self):
        with self.out.open(errors="replace") as lines:
            return [row for line in lines if (row := self.parse(line))]

    def note(self, _connections):
        lost = sum(int(n) for n in re.findall(r"[Ll]ost (\d+) ", self.err.read_text()
                                              + self.out.read_text(errors="replace")))
        return f"said that it lost {lost:,} events" if lost else ""


def libbpf_row(line, after):
    """PID COMM LADDR LPORT RADDR RPORT, then `after` more columns, as tcplife and tcpstates print."""
    fields = line.split()
    if len(fields) < 6 + after or not fields[-after - 6].isdecimal():
        return None
    pid, _, address, port, peer, peer_port = fields[-after - 6:-after]
    return Row(int(pid), unmapped(address), int(port), unmapped(peer), int(peer_port))


def bpftrace_row(line):
    fields = line.split()
    if len(fields) != 5 or not fields[0].isdecimal():
        return None
    return Row(int(fields[0]), unmapped(fields[1]), int(fields[2]), unmapped(fields[3]), int(fields[4]))


SS_ENDPOINTS = re.compile(r"\s(\S+):(\d+)\s+(\S+):(\d+)\s.*?\bpid=(\d+)")


def ss_row(line):
    match = SS_ENDPOINTS.search(line)
    if not match:
        return None
    address, port, peer, peer_port, pid = match.groups()
    return Row(int(pid), unmapped(address), int(port), unmapped(peer), int(peer_port))


ONE_LINER = ('tracepoint:sock:inet_sock_set_state /args->protocol == 6/ '
             '{ printf("%d %s %d %s %d\\n", pid, ntop(args->saddr), args->sport, '
             'ntop(args->daddr), args->dport); }')


class Portd(Nothing):
    ready_s = 3.0

    def __init__(self, name, *options):
        self.name, self.options = name, options

    def start(self):
        self.daemon = workload.Portd("--capture", "ebpf", *self.options)
        time.sleep(self.ready_s)

    def cpu_us(self):
        return self.daemon.cpu_us()

    def stop(self):
        asked = subprocess.run([workload.BIN / "portd-ctl", "--socket", self.daemon.socket, "--json",
                                "history"], check=True, capture_output=True, text=True)
        leases = [json.loads(line) for line in asked.stdout.splitlines()]
        self.found = [Row(lease["opener"]["pid"], lease["localAddress"], lease["localPort"],
                          lease.get("peerAddress", ""), lease.get("peerPort", 0))
                      for lease in leases if "pid" in lease.get("opener", {})]
        self.status = self.daemon.status()
        self.daemon.stop()

    def rows(self):
        return self.found

    def note(self, _connections):
        lost = sum(loss["events"] for loss in self.status.get("losses", []))
        return f"lost {lost:,} events" if lost else ""


class Auditd(Command):
    """The audit daemon with a rule on connect(2), its log in a folder of its own. Once the kernel has
    audited, it slows every process that begins later until the next boot, unless a rule exempts them:
    that rule is left behind."""
    stop_signal = signal.SIGTERM

    def __init__(self):
        self.name = "auditd, connect(2)"

    def start(self):
        if not shutil.which("auditd"):
            raise CannotRun("auditd is not installed")
        state = self.control("-s")
        if re.search(r"^pid [1-9]", state, re.M):
            raise CannotRun("an audit daemon runs already")
        if self.control("-l").strip() not in ("No rules", "-a never,task"):
            raise CannotRun("there are audit rules already")
        self.was_enabled = re.search(r"^enabled (\d)", state, re.M).group(1)
        self.configure()
        try:
            super().start()
            for command in ("-D", "-b 8192", "--backlog_wait_time 60000", "-e 1",
                            "-a always,exit -F arch=b64 -S connect"):
                self.control(*command.split())
        except Exception:
            self.restore()
            raise
        time.sleep(0.5)

    def configure(self):
        self.configuration = tempfile.TemporaryDirectory(prefix="portd-bench-audit.")
        self.log = pathlib.Path(self.configuration.name, "audit.log")
        settings = pathlib.Path("/etc/audit/auditd.conf").read_text()
        for key, value in (("log_file", self.log), ("max_log_file_action", "IGNORE")):
            settings = re.sub(rf"^{key} *=.*$", f"{key} = {value}", settings, flags=re.M)
        path = pathlib.Path(self.configuration.name, "auditd.conf")
        path.write_text(settings)
        path.chmod(0o640)
        self.command = ["auditd", "-n", "-c", self.configuration.name]

    @staticmethod
    def control(*arguments):
        done = subprocess.run(["auditctl", *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise CannotRun(f"auditctl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def restore(self):
        for command in ("-D", "-a task,never", f"-e {self.was_enabled}"):
            subprocess.run(["auditctl", *command.split()], capture_output=True)

    def stop(self):
        self.restore()
        super().stop()

    def rows(self):
        return []  # its records have no local port

    def note(self, connections):
        pids = collections.Counter(row.pid for row in connections)
        recorded = collections.Counter()
        with self.log.open(errors="replace") as lines:
            for line in lines:
                if line.startswith("type=SYSCALL") and (match := re.search(r"\bpid=(\d+)", line)):
                    recorded[int(match.group(1))] += 1
        seen = sum(min(count, recorded[pid]) for pid, count in pids.items())
        return f"records name no local port; {seen / len(connections):.4f} of the connects are in them"


def all_tools():
    return [
        Nothing(),
        Portd("portd"),
        Portd("portd --ports all", "--ports", "all"),
        Command("tcplife (libbpf-tools)", ["tcplife"], lambda line: libbpf_row(line, 3)),
        Command("tcpstates (libbpf-tools)", ["tcpstates"], lambda line: libbpf_row(line, 4)),
        Command("bpftrace, set_state", ["bpftrace", "-e", ONE_LINER], bpftrace_row),
        Command("ss -E", ["stdbuf", "-oL", "ss", "-E", "-t", "-a", "-n", "-p"], ss_row),
        Auditd(),
        Command("ss -tuanp each second",
                ["bash", "-c", "while :; do ss -tuanp; sleep 1; done"], ss_row),
    ]
