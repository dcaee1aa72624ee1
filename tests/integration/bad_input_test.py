"""Bad input gets a clear error and the right exit status, and the daemon goes on."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from harness import (BIN, NOBODY, Daemon, keep_ports_apart, leases_here, need_root, varlink,
                     wait_until)

setUpModule = keep_ports_apart


def message(method, parameters=None, **more):
    return json.dumps({"method": method, "parameters": parameters or {}, **more}).encode() + b"\0"


STATUS = message("io.portd.Ports.Status")


@need_root
class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.portd = Daemon().start()

    @classmethod
    def tearDownClass(cls):
        assert cls.portd.close() == 0

    def assert_refused(self, arguments, status, *words):
        with self.subTest(arguments):
            result = self.portd.ctl(*arguments)
            self.assertEqual(result.returncode, status, result)
            self.assertEqual(result.stdout, "")
            for word in words:
                self.assertIn(word, result.stderr)

    def test_ports(self):
        for verb in ("history", "who", "explain"):
            for port in ("0", "65536", "abc", "-1", "", "80x", "1e3", "99999999999999999999"):
                self.assert_refused([verb, port], 2, port, "65535")

    def test_unknown_words_get_a_suggestion(self):
        self.assert_refused(["histroy", "1"], 2, "histroy", "history")
        self.assert_refused(["history", "80", "--limt", "3"], 2, "--limt", "--limit")
        self.assert_refused([], 2, "--help")

    def test_times(self):
        at = ["history", "60609"]
        self.assert_refused([*at, "--at", "2026-13-01"], 2, "--at", "2026-13-01")
        self.assert_refused([*at, "--at", "soon"], 2, "--at", "soon")
        self.assert_refused([*at, "--since", "-1h", "--until", "-2h"], 2, "--since", "--until")
        self.assert_refused([*at, "--at", "now", "--since", "-1h"], 2, "--at", "--since")
        self.assert_refused([*at, "--at", "now", "--within", "-2s"], 2, "--within")
        self.assert_refused([*at, "--within", "2s"], 2, "--at")

    def test_other_values(self):
        at = ["history", "60609"]
        self.assert_refused([*at, "--proto", "icmp"], 2, "icmp", "tcp", "udp")
        self.assert_refused([*at, "--pid", "x"], 2, "--pid")
        self.assert_refused([*at, "--limit", "0"], 2, "--limit")
        self.assert_refused([*at, "extra"], 2, "extra")

    def test_nothing_found_is_status_one(self):
        self.assertEqual(self.portd.ctl("history", "60609", "--until", "-1h").returncode, 1)

    def test_a_closed_pipe_ends_it_quietly(self):
        result = subprocess.run(f"{BIN}/portd-ctl --socket {self.portd.socket} --json list | true",
                                shell=True, capture_output=True, text=True)
        self.assertEqual(result.stderr, "")

    def test_help_has_examples_and_exit_statuses(self):
        for arguments in (["--help"], ["history", "--help"], ["who", "--help"], ["list", "--help"],
                          ["explain", "--help"], ["status", "--help"]):
            result = self.portd.ctl(*arguments)
            self.assertEqual(result.returncode, 0)
            self.assertIn("portd-ctl", result.stdout)
            self.assertIn("xample", result.stdout)


@need_root
class NoDaemon(unittest.TestCase):
    def refused(self, path, *words, user=None):
        result = subprocess.run([BIN / "portd-ctl", "--socket", path, "status"], text=True,
                                capture_output=True, user=user, group=user)
        self.assertEqual(result.returncode, 3, result)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_each_obstacle_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            os.chmod(folder, 0o755)
            self.refused(folder / "none", str(folder / "none"), "start")
            (folder / "file").write_text("not a socket")
            self.refused(folder / "file", "socket")
            dead = socket.socket(socket.AF_UNIX)
            dead.bind(str(folder / "dead"))
            self.refused(folder / "dead", str(folder / "dead"))
            dead.listen()
            os.chmod(folder / "dead", 0o600)
            self.refused(folder / "dead", "ermission", user=NOBODY)
            dead.close()

    def test_a_daemon_that_cannot_start_says_why(self):
        with tempfile.TemporaryDirectory() as folder:
            def start(*options, user=None):
                return subprocess.run([BIN / "portd", "--config", "/dev/null", *options], text=True,
                                      capture_output=True, timeout=30, user=user, group=user)
            state = ["--state-dir", f"{folder}/state"]
            result = start(*state, "--interval", "never")
            self.assertEqual(result.returncode, 2)
            self.assertIn("--interval", result.stderr)
            result = start(*state, "--ring-size", "5000")
            self.assertEqual(result.returncode, 2)
            self.assertIn("power of two", result.stderr)
            own = pathlib.Path(folder, "own")
            own.mkdir()
            os.chown(own, NOBODY, NOBODY)
            os.chmod(folder, 0o755)
            result = start("--state-dir", f"{own}/state", "--capture", "ebpf", "--socket",
                           f"{own}/s", user=NOBODY)
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertIn("CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN", result.stderr)
            pathlib.Path(folder, "file").write_text("x")
            result = start(*state, "--socket", f"{folder}/file")
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("not a socket", result.stderr)
            self.assertEqual(pathlib.Path(folder, "file").read_text(), "x")
            os.chmod(folder, 0o755)
            result = start(*state, "--socket", f"{folder}/s2", user=NOBODY)
            self.assertEqual(result.returncode, 77, result.stderr)

    def test_a_state_directory_that_cannot_be_is_refused_for_good(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        (folder / "file").write_text("x")
        (folder / "closed").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder / "closed"], check=True)
        self.addCleanup(subprocess.run, ["umount", folder / "closed"], check=True)
        for path, reason in (("none/state", "create the directory above it"),
                             ("file/state", "Not a directory"),
                             ("closed", "a file system that can be written"),
                             ("closed/state", "Read-only file system")):
            result = subprocess.run([BIN / "portd", "--config", "/dev/null", "--state-dir",
                                     folder / path, "--socket", folder / "socket"], text=True,
                                    capture_output=True, timeout=30)
            self.assertEqual(result.returncode, 77, result.stderr)
            self.assertIn(reason, result.stderr)
            self.assertIn(str(folder / path), result.stderr)
            self.assertFalse((folder / "socket").exists())


@need_root
class Wire(unittest.TestCase):
    def setUp(self):
        self.portd = Daemon().start()
        self.addCleanup(lambda: self.assertEqual(self.portd.close(), 0))

    def assert_alive(self):
        reply, = varlink(self.portd.socket, STATUS)
        self.assertIn("tier", reply["parameters"])

    def error(self, *messages):
        replies = varlink(self.portd.socket, *messages)
        self.assertTrue(replies)
        self.assert_alive()
        return replies[-1].get("error", "")

    def test_limits_and_garbage(self):
        self.assertTrue(self.error(b"x" * 1_100_000).endswith("LimitExceeded"))
        deep = b'{"method":"io.portd.Ports.Status","parameters":' + b'{"a":' * 100 + b"1" + b"}" * 101
        self.assertTrue(self.error(deep + b"\0").endswith("LimitExceeded"))
        for garbage in (b"\0", b"[]\0", b"{\0", b"\xff\xfe\0", b'{"method":7}\0', b'{"x":1}\0'):
            with self.subTest(garbage):
                self.assertTrue(self.error(garbage).endswith("MalformedMessage"))

    def test_bad_calls(self):
        cases = {
            message("io.portd.Ports.Nonsense"): "MethodNotFound",
            message("no.such.Interface.Method"): "InterfaceNotFound",
            message("io.portd.Ports.Who", {"port": 0}): "InvalidParameter",
            message("io.portd.Ports.Who", {"port": 65536}): "InvalidParameter",
            message("io.portd.Ports.Who", {"port": "80"}): "InvalidParameter",
            message("io.portd.Ports.Who", {"prot": 80}): "InvalidParameter",
            message("io.portd.Ports.Who"): "InvalidParameter",
            message("io.portd.Ports.History", {"port": 80}): "ExpectedMore",
            message("io.portd.Ports.History", {"sinceUsec": 2, "untilUsec": 1}, more=True):
                "InvalidInterval",
        }
        for call, name in cases.items():
            with self.subTest(call):
                self.assertTrue(self.error(call).endswith(name))

    def test_half_a_message_and_a_hang_up_at_any_byte(self):
        for length in range(0, len(STATUS), 3):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self.portd.socket))
                connection.sendall(STATUS[:length])
        self.assert_alive()

    def test_a_client_that_never_reads_disturbs_nobody(self):
        silent = []
        for _ in range(20):
            connection = socket.socket(socket.AF_UNIX)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(str(self.portd.socket))
            connection.setblocking(False)
            try:
                while True:
                    connection.send(message("io.portd.Ports.History", more=True) * 50)
            except BlockingIOError:
                silent.append(connection)
        self.assert_alive()
        before = self.portd.status()["samples"]
        wait_until(lambda: self.portd.status()["samples"] > before + 3, what="sampling to go on")
        for connection in silent:
            connection.close()

    def test_one_users_connections_do_not_lock_out_root(self):
        script = ("import socket, sys, time\n"
                  "held = []\n"
                  "for _ in range(300):\n"
                  "    s = socket.socket(socket.AF_UNIX); s.settimeout(5)\n"
                  "    try: s.connect(sys.argv[1]); held.append(s)\n"
                  "    except OSError: pass\n"
                  "print('ready', flush=True); time.sleep(30)\n")
        hog = subprocess.Popen(["python3", "-c", script, str(self.portd.socket)], user=NOBODY,
                               group=NOBODY, stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(hog.stdout.readline().strip(), "ready")
            self.assert_alive()
            refused = self.portd.ctl("status", user=NOBODY)
            self.assertEqual(refused.returncode, 3, refused)
        finally:
            hog.kill()
            hog.wait()
            hog.stdout.close()


@need_root
class Access(unittest.TestCase):
    def test_an_ordinary_user_sees_his_own_leases_and_tuples_of_others(self):
        with Daemon() as portd, socket.create_server(("127.0.0.1", 0)) as roots:
            script = ("import socket; s = socket.create_server(('127.0.0.1', 0));"
                      "print(s.getsockname()[1]); input()")
            own = subprocess.Popen(["python3", "-u", "-c", script], user=NOBODY, group=NOBODY,
                                   stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
            try:
                own_port = int(own.stdout.readline())
                root_port = roots.getsockname()[1]
                portd.wait_samples()
                lease, = leases_here(portd, own_port, user=NOBODY)
                self.assertEqual(lease["opener"]["pid"], own.pid)
                self.assertFalse(lease["incomplete"])
                lease, = leases_here(portd, root_port, user=NOBODY)
                self.assertTrue(lease["incomplete"])
                self.assertEqual(lease["uid"], 0)
                self.assertEqual(lease["holders"], [])
                self.assertNotIn("pid", lease["opener"])
                roots.close()
                portd.wait_samples()
                self.assertEqual(leases_here(portd, root_port, user=NOBODY), [])
                told = portd.ctl("history", root_port, user=NOBODY)
                self.assertEqual(told.returncode, 1)
                self.assertNotIn("Nobody held", told.stdout + told.stderr)
                self.assertEqual(len(leases_here(portd, root_port)), 1)
            finally:
                own.kill()
                own.wait()
                own.stdin.close()
                own.stdout.close()


if __name__ == "__main__":
    unittest.main()
