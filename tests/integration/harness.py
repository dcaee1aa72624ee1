"""Runs real daemons and real clients for the integration tests.

Every test file is a unittest program; PORTD_BIN names the folder of the programs under test."""

import contextlib
import ctypes
import functools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import unit_process

BIN = pathlib.Path(os.environ.get("PORTD_BIN", pathlib.Path(__file__).resolve().parents[2]
                                  / "build/release/bin"))
NOBODY = 65534
# How many times longer to wait than on an ordinary machine: an emulated one is slow.
PATIENCE = float(os.environ.get("PORTD_PATIENCE", 1))


def wait_until(condition, seconds=15, what="the condition"):
    """The first true value of condition(), which is asked again and again."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.02)


def now_us():
    return time.time_ns() // 1000


def free_port(kind=socket.SOCK_STREAM, low=49152, high=60999):
    """A port inside both dynamic ranges that nobody holds; explicit, so that a test can name it."""
    import random
    while True:
        port = random.randint(low, high)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Daemon:
    """A portd on a state directory and socket of its own."""

    def __init__(self, *options, interval="200ms", folder=None, user=None):
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="portd-test.")
        self.folder = pathlib.Path(folder or self._own.name)
        os.chmod(self.folder, 0o777 if user is not None else 0o755)
        self.state = self.folder / "state"
        self.socket = self.folder / "io.portd.Ports"
        self.log_path = self.folder / "log"
        self.options = ["--config", "/dev/null", "--state-dir", self.state, "--socket", self.socket,
                        "--interval", interval, *options]
        self.user = user
        self.environment = {}  # of the daemon and its clients, beside what they have
        self.process = None

    def start(self, wait=True):
        self.process = self._spawn([BIN / "portd", *self.options])
        if wait:
            wait_until(lambda: self.process.poll() is not None or self.answers(),
                       30, "portd's first answer")
            if self.process.poll() is not None:
                raise AssertionError(f"portd ended with {self.process.returncode}:\n{self.log()}")
        return self

    def _spawn(self, command):
        if unit_process.UNIT_FILE and self.user is None:
            os.chmod(self.folder, 0o777)
            return unit_process.UnitProcess(command, self.log_path, self.folder)
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, user=self.user,
                                    env={**os.environ, **self.environment}, group=self.user,
                                    extra_groups=[] if self.user else None)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                return True
            except OSError:
                return False

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20 * PATIENCE)
        return self.process.returncode if self.process else None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def close(self):
        """Stops it and removes its files; the exit status."""
        status = self.stop()
        if self._own:
            self._own.cleanup()
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        log = self.log()
        status = self.close()
        if "Sanitizer" in log or (status is not None and status not in (0, -signal.SIGKILL)):
            raise AssertionError(f"portd ended with {status}:\n{log[-8000:]}")

    def ctl(self, *arguments, user=None, env=None, timeout=60):
        """Runs portd-ctl; the result has returncode, stdout and stderr."""
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC",
                       **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")},
                       **self.environment, **(env or {})}
        return subprocess.run([BIN / "portd-ctl", "--socket", self.socket, *map(str, arguments)],
                              capture_output=True, text=True, timeout=timeout, env=environment,
                              stdin=subprocess.DEVNULL, user=user, group=user,
                              extra_groups=[] if user else None)

    def json(self, *arguments, **keywords):
        """The objects that `portd-ctl --json` prints."""
        result = self.ctl("--json", *arguments, **keywords)
        if result.returncode not in (0, 1):
            raise AssertionError(f"{arguments}: {result.returncode}: {result.stderr}")
        return [json.loads(line) for line in result.stdout.splitlines()]

    def leases(self, *arguments, **keywords):
        return [o for o in self.json(*arguments, **keywords) if "opened" in o]

    def stream(self, *arguments):
        """The objects that `portd-ctl --json` prints, one at a time: there may be a great many."""
        with subprocess.Popen([BIN / "portd-ctl", "--socket", self.socket, "--json",
                               *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL) as client:
            for line in client.stdout:
                yield json.loads(line)
        if client.returncode not in (0, 1):
            raise AssertionError(f"{arguments}: portd-ctl ended with {client.returncode}")

    def status(self):
        return self.json("status")[0]

    def wait_samples(self, count=2):
        """Until `count` samples that began after this call are over and committed."""
        start = self.status()["samples"]
        wait_until(lambda: self.status()["samples"] > start + count, what="the next samples")


def bounds(moment):
    """(earliest, latest) in microseconds; None where not known."""
    if "usec" in moment:
        return moment["usec"], moment["usec"]
    return moment.get("earliestUsec"), moment.get("latestUsec")


@contextlib.contextmanager
def python_child(code, before=(), **keywords):
    """A python process that runs `code`, which prints a line when it is ready; yields (process, line).
    `before` is a command that executes another in its own place."""
    process = subprocess.Popen([*before, "python3", "-u", "-c", code], stdout=subprocess.PIPE,
                               stdin=subprocess.PIPE, text=True, **keywords)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@contextlib.contextmanager
def network_namespace(name):
    """A namespace of `ip netns` with its loopback up."""
    def run(*command):
        subprocess.run(command, check=True, capture_output=True)
    run("ip", "netns", "add", name)
    try:
        run("ip", "netns", "exec", name, "ip", "link", "set", "lo", "up")
        yield name
    finally:
        run("ip", "netns", "del", name)


def enter_a_network_namespace():
    """From now on this process is in one of its own, with its loopback up, and so are its children:
    nobody else has a port here, and no connection of another test lingers on one."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000  # linux/sched.h
    if libc.unshare(clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def keep_ports_apart():
    """For a test file that takes it over by name: its ports are nobody else's. A unit's daemon stays where
    the service manager starts it, and its tests with it."""
    if os.geteuid() == 0 and not unit_process.UNIT_FILE:
        enter_a_network_namespace()


def namespace_here():
    """The inode of the network namespace of the test."""
    return os.stat("/proc/self/ns/net").st_ino


def leases_here(portd, port, **keywords):
    """Those of the port in the network namespace of the test."""
    return portd.leases("history", port, "--netns", namespace_here(), **keywords)


def varlink(path, *messages, timeout=20):
    """Sends raw messages (bytes, already framed) on one connection; all bytes until the end."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        received = b""
        # A server that hangs up over a message has not read the rest of it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for message in messages:
                connection.sendall(message)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return [json.loads(part) for part in received.split(b"\0") if part]


@functools.cache
def ebpf_refusal():
    """Why the daemon does not capture with eBPF here, in its own words; None where it does."""
    portd = Daemon("--capture", "ebpf")
    try:
        portd.start(wait=False)
        wait_until(lambda: portd.process.poll() is not None or portd.answers(), 60,
                   "portd's first answer")
        if portd.process.poll() is None:
            return None
        said = [line for line in portd.log().splitlines() if " critical: " in line]
        if not said:
            raise AssertionError(f"portd ended with {portd.process.returncode}:\n{portd.log()}")
        return said[-1].split(" critical: ", 1)[1]
    finally:
        portd.close()


def need_ebpf(test):
    """Skips where eBPF is refused; with PORTD_REQUIRE_EBPF in the environment that is a failure."""
    reason = ebpf_refusal()
    if reason and os.environ.get("PORTD_REQUIRE_EBPF"):
        raise AssertionError(f"PORTD_REQUIRE_EBPF is set, and portd refuses: {reason}")
    return unittest.skipIf(reason, f"no eBPF capture: {reason}")(test)


def need_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "needs root")(test)
