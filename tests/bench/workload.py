"""What the benchmarks share: sockets held by many processes, a running portd, and CPU accounting."""

import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PORTD_BIN", REPO / "build/release/bin"))


def hold_sockets(processes, sockets_each):
    """Forks processes that hold sockets on loopback: a quarter each of TCP listeners, UDP bound, and
    both ends of TCP connections. Returns their pids once all sockets exist."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * sockets_each + 64)), hard))
    pids = []
    for _ in range(processes):
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            held = []
            while len(held) < sockets_each:
                listener = socket.create_server(("127.0.0.1", 0))
                client = socket.create_connection(listener.getsockname())
                accepted, _ = listener.accept()
                datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                datagram.bind(("127.0.0.1", 0))
                held += [listener, client, accepted, datagram]
            os.write(ready_write, b"1")
            signal.pause()
            os._exit(0)
        os.close(ready_write)
        assert os.read(ready_read, 1) == b"1"
        os.close(ready_read)
        pids.append(pid)
    return pids


def release(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)


class Portd:
    def __init__(self, *options, state=None, settings=""):
        self.folder = tempfile.TemporaryDirectory(prefix="portd-bench.")
        self.state = state or self.folder.name + "/state"
        self.socket = self.folder.name + "/socket"
        self.config = self.folder.name + "/portd.toml"
        pathlib.Path(self.config).write_text(settings)
        self.log = open(self.folder.name + "/log", "w+")
        self.process = subprocess.Popen(
            [BIN / "portd", "--config", self.config, "--state-dir", self.state,
             "--socket", self.socket, *options], stderr=self.log)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                sys.exit("portd did not start:\n" + self.log.read())
            time.sleep(0.02)

    def status(self):
        out = subprocess.run([BIN / "portd-ctl", "--socket", self.socket, "--json", "status"],
                             check=True, capture_output=True).stdout
        return json.loads(out)

    def cpu_us(self):
        """CPU time of the daemon so far, without asking it anything."""
        ran_ns = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            ran_ns += int((task / "schedstat").read_text().split()[0])
        return ran_ns / 1000

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def command_cpu_us(command, runs):
    """Mean CPU time (user and system) of a command, in microseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(runs):
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e6 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / runs
