"""Programs whose names try to drive the terminal, forge a row or break the form of an answer."""

import csv
import io
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import BIN, Daemon, keep_ports_apart, namespace_here, need_root, wait_until

setUpModule = keep_ports_apart

# What a terminal would act upon, or what would hide or turn around other text.
DECEIVING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]")

COMMANDS = [b"\x1b[2Jgone", b"a\nsshd[1]", b"\r\x9b31mred", "\u202egnp.exe".encode(), b"\xff\xfe\xc0",
            b'",\n"x', b"=cmd|' /C'!A1", b"\x07\x08\x7f"]
# Each is a path of its own; the bytes go as they are.
PROGRAMS = [b"evil\n2026-01-01 forged row", b"evil\x1b]0;title\x07", "evil\u202egpj".encode(),
            b"evil\xff\xfe", b'evil",{"a":"b']

SLEEPER = """
import ctypes, socket, sys
if len(sys.argv) > 1:
    ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.read()
"""


@need_root
class HostileNames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="portd-hostile."))
        cls.portd = Daemon("--arguments", "full", "--ports", "all").start()
        cls.processes, cls.ports = [], []
        for name in COMMANDS:
            cls.begin(["python3", "-c", SLEEPER, name.hex()])
        python = os.path.realpath(shutil.which("python3"))
        for name in PROGRAMS:
            path = bytes(cls.folder) + b"/" + name
            shutil.copy(python, path)
            cls.begin([path, b"-c", SLEEPER.encode(), b"", b"arg\x1b[2J\n\xff\xe2\x80\xae"])
        cls.portd.wait_samples()

    @classmethod
    def begin(cls, command):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        cls.processes.append(process)
        cls.ports.append(int(process.stdout.readline()))

    @classmethod
    def tearDownClass(cls):
        for process in cls.processes:
            process.stdin.close()
            process.stdout.close()
            process.wait()
        shutil.rmtree(cls.folder)
        assert cls.portd.close() == 0, cls.portd.log()

    def answers(self, *form):
        yield "list", ["list", *form]
        yield "history", ["history", *form]
        yield "wide list of one", ["list", "--port", self.ports[0], *form]
        for port in self.ports:
            yield f"who {port}", ["who", port, *form]

    def assert_harmless(self, text, what):
        found = DECEIVING.search(text)
        self.assertIsNone(found, f"{what}: {found and text[max(0, found.start() - 60):found.end() + 60]!r}")

    def run_on_terminal(self, arguments):
        """What portd-ctl writes to a terminal of 120 columns, without its own colors and line ends."""
        leader, follower = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm", "COLUMNS": "120"}
        with subprocess.Popen([BIN / "portd-ctl", "--socket", self.portd.socket, "--color", "never",
                               "--no-pager", *map(str, arguments)], stdout=follower, stderr=follower,
                              stdin=subprocess.DEVNULL, env=environment) as client:
            os.close(follower)
            written = b""
            while True:
                try:
                    chunk = os.read(leader, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                written += chunk
        os.close(leader)
        return written.decode().replace("\r\n", "\n")

    def test_every_form_is_harmless(self):
        for form in ("short", "wide", "verbose", "csv", "json"):
            for what, arguments in self.answers("-o", form):
                with self.subTest(f"{what} {form}"):
                    result = self.portd.ctl(*arguments)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    self.assert_harmless(result.stdout, "piped")
                    self.assert_harmless(result.stderr, "error output")
                    if what == "list":
                        self.assert_harmless(self.run_on_terminal(arguments), "terminal")

    def test_other_verbs_are_harmless(self):
        for arguments in (["explain", self.ports[0]], ["explain", self.ports[-1]], ["audit"],
                          ["audit", "--json"], ["audit", "--by", "unit"], ["status"]):
            with self.subTest(arguments):
                result = self.portd.ctl(*arguments)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assert_harmless(result.stdout + result.stderr, "piped")

    def test_no_name_forges_a_row(self):
        here = ("--netns", namespace_here())
        rows = self.portd.ctl("list", "--accepted", *here).stdout.splitlines()[1:]
        leases = self.portd.leases("list", *here)
        self.assertEqual(len(rows), len(leases))
        self.assertFalse([row for row in rows if row.startswith("2026-01-01 forged")])

    def test_json_stays_json_and_keeps_names_apart(self):
        by_port = {lease["localPort"]: lease for lease in self.portd.leases("list")}
        seen = set()
        for port, name in zip(self.ports, COMMANDS):
            command = by_port[port]["opener"]["command"]
            seen.add(command)
            try:
                self.assertEqual(command, name[:15].decode())
            except UnicodeDecodeError:
                self.assertIn("\\x", command)
        self.assertEqual(len(seen), len(COMMANDS))
        paths = {by_port[port]["opener"]["executable"] for port in self.ports[len(COMMANDS):]}
        self.assertEqual(len(paths), len(PROGRAMS))
        for line in self.portd.ctl("--json", "list").stdout.splitlines():
            json.loads(line)
            self.assertTrue(line.isascii())

    def test_csv_stays_csv(self):
        text = self.portd.ctl("list", "-o", "csv").stdout
        heading, *rows = csv.reader(io.StringIO(text), strict=True)
        self.assertEqual(len(rows), len(text.splitlines()) - 1)
        self.assertEqual({len(row) for row in rows}, {len(heading)})
        ports = {int(row[heading.index("localPort")]) for row in rows}
        self.assertLessEqual(set(self.ports), ports)


if __name__ == "__main__":
    unittest.main()
