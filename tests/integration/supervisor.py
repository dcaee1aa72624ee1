"""Keeps a daemon's descriptors while it is dead, as systemd's descriptor store does: sd_notify(3),
sd_listen_fds(3)."""

import array
import contextlib
import fcntl
import os
import signal
import socket
import threading

from harness import BIN, Daemon, wait_until

MOST_DESCRIPTORS = 253  # SCM_MAX_FD
# Out of the way of those that a child gets.
LOWEST_KEPT = 500


class Child:
    """What subprocess.Popen is for a program that needs its descriptors at certain numbers."""

    def __init__(self, command, environment, descriptors, log):
        self.returncode = None
        self.pid = os.fork()
        if self.pid == 0:
            self._execute(command, environment, descriptors, log)

    @staticmethod
    def _execute(command, environment, descriptors, log):
        try:
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(log, 2)
            os.closerange(3, LOWEST_KEPT)
            for number, fd in enumerate(descriptors, 3):
                os.dup2(fd, number)
            environment["LISTEN_PID"] = str(os.getpid())
            os.execve(command[0], command, environment)
        finally:
            os._exit(127)

    def _take(self, flags):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def poll(self):
        return self._take(os.WNOHANG)

    def send_signal(self, how):
        if self.poll() is None:
            os.kill(self.pid, how)

    def wait(self, timeout=None):
        if timeout is None:
            return self._take(0)
        wait_until(lambda: self.poll() is not None, timeout, "the end of portd")
        return self.returncode


class Supervised(Daemon):
    """A portd with a service manager."""

    def __init__(self, *options, **keywords):
        super().__init__(*options, **keywords)
        self.kept = []  # (name, descriptor)
        self.is_ready = threading.Event()
        self._barrier = threading.Event()
        path = str(self.folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._to_self = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._to_self.connect(path)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            room = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
            message, ancillary, _, _ = self._socket.recvmsg(4096, room, socket.MSG_CMSG_CLOEXEC)
            descriptors = array.array("i")
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    descriptors.frombytes(data)
            if message == b"END":
                return
            self._obey(dict(line.split("=", 1) for line in message.decode().splitlines()
                            if "=" in line), descriptors)

    def _obey(self, fields, descriptors):
        name = fields.get("FDNAME", "stored")
        if fields.get("FDSTORE") == "1":
            for fd in descriptors:
                self.kept.append((name, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LOWEST_KEPT)))
        for fd in descriptors:
            os.close(fd)
        if fields.get("FDSTOREREMOVE") == "1":
            self._drop(lambda kept: kept == name)
        if fields.get("READY") == "1":
            self.is_ready.set()
        if "BARRIER" in fields:
            self._barrier.set()

    def _drop(self, condition):
        for name, fd in self.kept:
            if condition(name):
                os.close(fd)
        self.kept = [(name, fd) for name, fd in self.kept if not condition(name)]

    def _hear_all(self):
        """Until everything that the dead process said has been obeyed."""
        self._barrier.clear()
        self._to_self.send(b"BARRIER=1")
        self._barrier.wait(20)

    def spawn(self):
        self._hear_all()
        self.is_ready.clear()
        with open(self.log_path, "ab") as log:
            self.process = Child([str(BIN / "portd"), *map(str, self.options)],
                                 self.spawn_environment(), [fd for _, fd in self.passed()],
                                 log.fileno())

    def passed(self):
        """The (name, descriptor) that the next instance gets."""
        # The store hands them out in no order that could be relied on.
        return list(reversed(self.kept))

    def spawn_environment(self):
        passed = self.passed()
        return {**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify"),
                "LISTEN_FDS": str(len(passed)),
                "LISTEN_FDNAMES": ":".join(name for name, _ in passed)}

    def start(self, wait=True):
        self.spawn()
        if wait:
            wait_until(lambda: self.process.poll() is not None or self.is_ready.is_set(), 60,
                       "that portd is ready")
            if self.process.poll() is not None:
                raise AssertionError(f"portd ended with {self.process.returncode}:\n{self.log()}")
        return self

    def kill(self):
        self.stop(signal.SIGKILL)

    def close(self):
        """As `systemctl stop`: what was kept is dropped."""
        status = self.stop()
        self._hear_all()
        self._drop(lambda _: True)
        self._to_self.send(b"END")
        self._thread.join()
        self._socket.close()
        self._to_self.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.folder / "notify")
        if self._own:
            self._own.cleanup()
        return status
