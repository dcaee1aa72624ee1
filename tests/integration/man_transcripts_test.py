"""The transcripts of portd-ctl(1), command by command, against what the commands print.

Each verb has one in its section of the page: lines that begin with `$ ` are commands, and what follows is what
they print on a terminal. The test makes the situation that the page is about (a shop, see Shop), gives the
same commands, and compares. Only what must vary from run to run is made alike: times, spans, rates, process ids,
sizes, and ports that the kernel chose. A line `...` stands for any lines. Where prose is wrapped depends
on the number of digits of a process id, so prose is compared word by word."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
import unittest

from harness import (BIN, PATIENCE, Daemon, enter_a_network_namespace, need_ebpf, need_root,
                     wait_until)
from unit_process import UNIT_FILE

PAGE = pathlib.Path(__file__).resolve().parents[2] / "packaging/man/portd-ctl.1"
WWW_DATA = 33  # on every Debian
# Of the terminal, in one of which each transcript comes out line by line as it is in the page: rows may have
# longer or shorter process ids and spans here than there.
COLUMNS = range(72, 93)
PROSE = {"explain", "why", "attribute", "pressure", "status"}

# The shop: a web server on a port of its choice, a cache on a port that the kernel may give away, orders
# that are sent to the web server, and a payment service that nobody runs.
WEBSHOP = """
import socket
server = socket.create_server(('127.0.0.1', 50080))
print('ready')
held = []
while True:
    one, _ = server.accept()
    if one.recv(1):
        held.append(one)
    else:
        one.close()
"""
CACHE = """
import socket
server = socket.create_server(('127.0.0.1', 50500))
print('ready')
input()
"""
ORDERS = """
import socket
held = socket.create_connection(('127.0.0.1', 50080))
held.send(b'x')
for port in 50081, 50081, 50081:
    try:
        socket.create_connection(('127.0.0.1', port))
    except ConnectionRefusedError:
        pass
print('ready')
input()
"""
SECOND_WEBSHOP = """
import socket
try:
    socket.create_server(('127.0.0.1', 50080))
except OSError:
    print('ready')
"""
A_VISIT = """
import socket
with socket.create_connection(('127.0.0.1', 50080)) as one:
    pass
print('ready')
"""
LEAK = """
import socket, time
server = socket.create_server(('127.0.0.1', 8443), backlog=1024)
held = []
for i in range(780):
    held.append(socket.create_connection(('127.0.0.1', 8443)))
    held.append(server.accept()[0])
    time.sleep(0.007)  # a burst would not be foretold to go on
print('ready')
input()
for one in held[1::2] + held[::2]:  # who is called lets go first, so that no port of the caller lingers
    one.close()
"""

VARYING = [
    (r"[0-9a-f]{32}-\d+-[0-9a-f-]+", "LEASE"),
    (r"\d{4}-\d\d-\d\d(T|\s+)\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),  # prose breaks anywhere
    (r"\b\d\d:\d\d:\d\d(\.\d+)?", "TIME"),
    (r"\[\d+\]", "[PID]"),
    (r"Linux \d\S+", "Linux VERSION"),
    (r"\b40265\d{5}\b", "NAMESPACE"),
    (r"\b\d+(\.\d+)?(y|d|h|min|s|ms|us)(\d+(min|s|ms|us))?(?![\w/])", "SPAN"),
    (r"[+-]?\b\d+(\.\d+)?/(h|min|s)\b", "RATE"),
    (r"\b\d+(\.\d+)? (B|[KMGT]iB)(?!\w)", "SIZE"),
    (r"\b50(?!500)[1-9]\d\d\b(?!-50999)", "PORT"),
    # A connection of the shop's own may linger.
    (r"\b78\d of 900\b", "78N of 900"),
    (r"/srv/orders \(78\d\)", "/srv/orders (78N)"),
    (r",\s+1\s+lingering\b", ""),
]
NUMBERS = re.compile(r"\d[\d,.]*")
# What is told by numbers alone, of which hardly any is the same twice.
COUNTING = {"attribute", "status", "metrics", "verify", "doctor"}

# They leave leases behind, so they come last.
LAST = ["pressure", "watch"]


def alike(text, verb):
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return NUMBERS.sub("N", text) if verb in COUNTING else text


def same(shown, wanted):
    """Whether the lines are those wanted, of which `...` is any number of lines."""
    if not wanted:
        return not shown
    if wanted[0] == "...":
        return any(same(shown[i:], wanted[1:]) for i in range(len(shown) + 1))
    return bool(shown) and shown[0] == wanted[0] and same(shown[1:], wanted[1:])


def lines_of(text, verb):
    if verb in PROSE:
        return alike(text, verb).split()
    return [" ".join(line.split()) for line in alike(text, verb).splitlines()]


def transcripts():
    """{verb: [(command, what it prints)]} as the page has it."""
    found = {}
    page = PAGE.read_text(encoding="utf-8")
    for section in page.split("\n.SS ")[1:]:
        verb = section.split("\n")[0].replace("\\-", "-").split()[1]
        for block in re.findall(r"^\.EX\n(.*?)^\.EE$", section.split("\n.SH ")[0], re.M | re.S):
            for escape, character in (("\\-", "-"), ("\\(aq", "'"), ("\\(->", "→"), ("\\(dq", '"'),
                                      ("\\&", ""), ("\\e", "\\")):
                block = block.replace(escape, character)
            for command in ("\n" + block).split("\n$ ")[1:]:
                line, _, printed = command.partition("\n")
                found.setdefault(verb, []).append((line, printed))
    return found


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, command, environment, columns):
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 200, columns, 0, 0))

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self._process = subprocess.Popen(["sh", "-c", f"exec {command}" if "|" not in command else
                                          command], stdin=side, stdout=side, stderr=side,
                                         env=environment, preexec_fn=take_terminal)
        os.close(side)
        self._text = b""

    def read_until(self, is_enough, seconds=30):
        """All that has been printed, as soon as that is enough, or the command has ended."""
        deadline = time.monotonic() + seconds * PATIENCE
        while not is_enough(self._text.decode(errors="replace")):
            if not select.select([self._main], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"nothing more came after: {self._text.decode()}")
            try:
                self._text += os.read(self._main, 65536)
            except OSError:  # EIO: nobody has the terminal any more
                break
        return self._text.decode().replace("\r\n", "\n")

    def interrupt(self):
        os.write(self._main, b"\x03")

    def end(self):
        text = self.read_until(lambda _: False)
        self._process.wait(10)
        os.close(self._main)
        return text


class Shop:
    """The situation of the page, in namespaces of its own: nobody else's ports are in it."""

    def __init__(self, stack):
        enter_a_network_namespace()
        settings = pathlib.Path("/proc/sys/net/ipv4")
        (settings / "ip_local_port_range").write_text("50100 50999")
        new_mounts = 0x00020000  # CLONE_NEWNS of linux/sched.h
        if ctypes.CDLL(None, use_errno=True).unshare(new_mounts) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for words in (["--make-rprivate", "/"], ["-t", "tmpfs", "tmpfs", "/srv"]):
            subprocess.run(["mount", *words], check=True)
        for name in ("webshop", "cache", "orders"):
            shutil.copy(os.path.realpath("/usr/bin/python3"), f"/srv/{name}")
            os.chmod(f"/srv/{name}", 0o755)
        self.columns = COLUMNS[0]
        # Process ids of four digits, as in the page: which columns of a table fit depends on them.
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text("3000")
        self.portd = stack.enter_context(Daemon("--capture", "ebpf"))
        for name, code in (("webshop", WEBSHOP), ("cache", CACHE), ("orders", ORDERS)):
            stack.enter_context(self.program(name, code))
        with self.program("webshop", SECOND_WEBSHOP):
            pass
        self.portd.wait_samples(3)

    @contextlib.contextmanager
    def program(self, name, code):
        process = subprocess.Popen([f"/srv/{name}", "-u", "-c", code], user=WWW_DATA, group=WWW_DATA,
                                   extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True, cwd="/", env={"PYTHONHOME": "/usr", "LC_ALL": "C.UTF-8"})
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.communicate()

    def terminal(self, command):
        return Terminal(command, {
            "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb",
            "NO_COLOR": "1", "PAGER": "cat", "PORTD_SOCKET": str(self.portd.socket),
            **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}, self.columns)

    def printed(self, command):
        return self.terminal(command).end()

    # What a verb needs beside, or how it is asked: a method `ask_VERB`, else `printed`.

    def ask_watch(self, command):
        terminal = self.terminal(command)
        terminal.read_until(lambda text: "what follows happens now" in text)
        with self.program("orders", A_VISIT):
            terminal.read_until(lambda text: "\nended" in text)
        terminal.interrupt()
        return terminal.end()

    def ask_export(self, command):
        """A lease is exported two seconds after its end."""
        wait_until(lambda: self.printed(command).count("orders") >= 3, what="what orders did")
        return self.printed(command)

    def ask_pressure(self, command):
        with self.program("orders", LEAK) as leak:
            self.portd.wait_samples(2)
            text = self.printed(command)
            leak.communicate("\n")
        return text


@need_root
@need_ebpf
@unittest.skipIf(UNIT_FILE, "the page shows a machine at full speed, with jq, whose programs belong to no unit")
class Transcripts(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.shop = Shop(cls.stack)

    def hold(self, verb, command, wanted):
        for self.shop.columns in COLUMNS:
            shown = getattr(self.shop, f"ask_{verb}", self.shop.printed)(command)
            if same(lines_of(shown, verb), lines_of(wanted, verb)):
                return
        self.assertEqual(lines_of(shown, verb), lines_of(wanted, verb), f"{command}:\n{shown}")

    def test_every_verb(self):
        told = transcripts()
        for verb, commands in sorted(told.items(), key=lambda item: (LAST.count(item[0]), item[0])):
            for command, wanted in commands:
                with self.subTest(verb, command=command):
                    self.hold(verb, command, wanted)

    def test_that_no_verb_is_without(self):
        text = self.shop.portd.ctl("--help").stdout
        verbs = re.findall(r"^  ([a-z]+)  ", text.split("Verbs:")[1].split("\n\n")[0], re.M)
        self.assertEqual(sorted(verbs), sorted(transcripts()))


class Comparison(unittest.TestCase):
    """What varies does not count; everything else does."""

    def assert_same(self, verb, one, other, expected=True):
        self.assertEqual(same(lines_of(one, verb), lines_of(other, verb)), expected)

    def test_what_varies(self):
        self.assert_same("who", "2026-11-24 22:18:00.868  1.1s  tcp  webshop[1]",
                         "2026-11-25 00:00:00.001  27ms   tcp  webshop[4711]")

    def test_what_counts(self):
        row = "2026-11-24 22:18:00.868  1.1s  tcp  127.0.0.1:50080  webshop[1]"
        for change in (("tcp", "udp"), ("50080", "50081"), ("webshop", "cache"), ("127", "10"),
                       ("webshop[1]", "webshop[1]\nportd was not watching.")):
            self.assert_same("who", row, row.replace(*change), False)

    def test_lines_that_are_left_out(self):
        self.assert_same("status", "a\nb\nc\nd", "a\n...\nd")
        self.assert_same("status", "a\nb\nc\nd", "a\n...\nb", False)
        self.assert_same("status", "a\nd", "a\n...\nd")


if __name__ == "__main__":
    unittest.main()
