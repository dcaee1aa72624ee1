"""portd-ctl why: each reason for which a port cannot be bound, made for real, and bind(2)'s own word on it."""

import errno
import os
import re
import socket
import subprocess
import unittest

from harness import (NOBODY, Daemon, enter_a_network_namespace, free_port, need_ebpf, need_root,
                     network_namespace, now_us, python_child, wait_until)

LISTEN = "import socket; s = socket.create_server(('{}', {})); print('ready'); input()"


def bind_error(family, address, port, kind=socket.SOCK_STREAM, reuse=False):
    """What bind(2) says: the name of the error, or None."""
    with socket.socket(family, kind) as tried:
        if reuse:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
        except OSError as error:
            return errno.errorcode[error.errno]
    return None


@need_root
@need_ebpf
class Why(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        enter_a_network_namespace()
        cls.portd = Daemon("--capture", "ebpf").start()

    @classmethod
    def tearDownClass(cls):
        cls.portd.__exit__()

    def diagnose(self, port, *options):
        return self.portd.json("why", port, *options)[0]["diagnosis"]

    def diagnose_once(self, port, is_known, *options):
        """As soon as the diagnosis has what the test made."""
        def diagnosis():
            told = self.diagnose(port, *options)
            return told if is_known(told) else None
        return wait_until(diagnosis, what=f"the diagnosis of {port}")

    def blocking(self, port, *options):
        told = self.diagnose_once(port, lambda told: told["blocking"] > 0, *options)
        return told, told["obstacles"][0]

    def test_a_listener_of_another_user(self):
        port = free_port()
        with python_child(LISTEN.format("0.0.0.0", port), user=NOBODY) as (process, _):
            told, obstacle = self.blocking(port, "--proto", "tcp", "--local", "0.0.0.0")
            self.assertEqual((obstacle["reason"], obstacle["lease"]["uid"]),
                             ("sameAddress", NOBODY))
            self.assertEqual(obstacle["lease"]["opener"]["pid"], process.pid)
            self.assertEqual(obstacle["sharedBy"], ["SO_REUSEPORT"])
            self.assertEqual(bind_error(socket.AF_INET, "0.0.0.0", port, reuse=True), "EADDRINUSE")
            shown = self.portd.ctl("why", port)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn("fails now: the address is in use", shown.stdout)
            self.assertIn(f"[{process.pid}]", shown.stdout)
        self.diagnose_once(port, lambda told: told["blocking"] == 0)
        self.assertEqual(self.portd.ctl("why", port).returncode, 1)

    def test_a_connection_on_a_port_that_the_kernel_chose(self):
        with socket.create_server(("127.0.0.1", 0)) as server, \
                socket.create_connection(server.getsockname()) as client:
            port = client.getsockname()[1]
            told, obstacle = self.blocking(port, "--proto", "tcp", "--local", "0.0.0.0")
            self.assertEqual(obstacle["lease"]["role"], "client")
            self.assertEqual((obstacle["reason"], obstacle["sharedBy"]),
                             ("wildcardAsked", ["SO_REUSEADDR", "SO_REUSEPORT"]))
            self.assertEqual(told["automaticLeases"], 1)
            self.assertEqual(bind_error(socket.AF_INET, "0.0.0.0", port, reuse=True), "EADDRINUSE")
            refused = self.diagnose_once(port, lambda told: told["failures"])["failures"]
            self.assertEqual(refused[-1]["process"]["pid"], os.getpid())
            self.assertIn(f"net.ipv4.ip_local_reserved_ports={port}",
                          self.portd.ctl("why", port).stdout)

    def test_time_wait(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            client = socket.create_connection(("127.0.0.1", port))
            accepted, _ = server.accept()
            accepted.close()  # first: the port of the server lingers
            self.assertEqual(client.recv(1), b"")
            client.close()
        told = self.diagnose_once(
            port, lambda told: [o["lease"]["phase"] for o in told["obstacles"]] == ["lingering"])
        self.assertEqual((told["blocking"], told["obstacles"][0]["reason"]), (1, "wildcardAsked"))
        self.assertEqual(bind_error(socket.AF_INET, "0.0.0.0", port), "EADDRINUSE")
        # create_server() sets it, and what is accepted has it from its listener.
        self.assertIsNone(bind_error(socket.AF_INET, "0.0.0.0", port, reuse=True))
        text = self.portd.ctl("why", port).stdout
        self.assertIn("TIME_WAIT keeps it", text)
        self.assertIn("SO_REUSEADDR", text)

    def test_a_wildcard_and_specific_addresses(self):
        port = free_port()
        with socket.create_server(("0.0.0.0", port)):
            _, obstacle = self.blocking(port, "--proto", "tcp", "--local", "127.0.0.1")
            self.assertEqual(obstacle["reason"], "wildcardHeld")
            self.assertEqual(bind_error(socket.AF_INET, "127.0.0.1", port), "EADDRINUSE")
        port = free_port()
        with socket.create_server(("127.0.0.2", port)):
            _, obstacle = self.blocking(port, "--proto", "tcp", "--local", "0.0.0.0")
            self.assertEqual(obstacle["reason"], "wildcardAsked")
            self.assertEqual(bind_error(socket.AF_INET, "0.0.0.0", port), "EADDRINUSE")
            told = self.diagnose(port, "--proto", "tcp", "--local", "127.0.0.1")
            self.assertEqual((told["blocking"], told["obstacles"][0]["reason"]),
                             (0, "otherAddress"))
            self.assertIsNone(bind_error(socket.AF_INET, "127.0.0.1", port))

    def test_ipv6_beside_ipv4(self):
        port = free_port()
        with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True):
            told = self.diagnose_once(port, lambda told: told["perhapsBlocking"] > 0,
                                      "--proto", "tcp", "--local", "127.0.0.1")
            # IPV6_V6ONLY of another's socket is not known, and it is not guessed.
            self.assertEqual((told["blocking"], told["obstacles"][0]["reason"]),
                             (0, "dualStackHeld"))
            self.assertEqual(bind_error(socket.AF_INET, "127.0.0.1", port), "EADDRINUSE")
        port = free_port()
        with socket.create_server(("127.0.0.1", port)):
            _, obstacle = self.blocking(port, "--proto", "tcp", "--local", "::")
            self.assertEqual(obstacle["reason"], "dualStackAsked")
            self.assertEqual(bind_error(socket.AF_INET6, "::", port), "EADDRINUSE")
            told = self.diagnose(port, "--proto", "tcp", "--local", "::1")
            self.assertEqual((told["blocking"], told["obstacles"][0]["reason"]), (0, "otherFamily"))
            self.assertIsNone(bind_error(socket.AF_INET6, "::1", port))

    def test_a_connection_of_ipv6_keeps_the_wildcard_of_ipv4(self):
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server, \
                socket.create_connection(server.getsockname()[:2]) as client:
            port = client.getsockname()[1]
            told = self.diagnose_once(port, lambda told: told["perhapsBlocking"] > 0,
                                      "--proto", "tcp", "--local", "0.0.0.0")
            self.assertEqual(told["obstacles"][0]["reason"], "ipv6Connection")
            self.assertEqual(bind_error(socket.AF_INET, "0.0.0.0", port), "EADDRINUSE")
            self.assertIsNone(bind_error(socket.AF_INET, "127.0.0.1", port))

    def test_another_namespace_is_not_the_cause(self):
        port = free_port()
        with network_namespace(f"portd-why-{os.getpid()}") as name, \
                python_child(LISTEN.format("0.0.0.0", port),
                             before=["ip", "netns", "exec", name]) as (process, _):
            told = self.diagnose_once(port, lambda told: told["notBlocking"] > 0)
            self.assertEqual((told["blocking"], told["obstacles"][0]["reason"]),
                             (0, "otherNamespace"))
            self.assertIsNone(bind_error(socket.AF_INET, "0.0.0.0", port))
            inode = os.stat(f"/proc/{process.pid}/ns/net").st_ino
            self.assertEqual(self.blocking(port, "--netns", inode)[1]["lease"]["opener"]["pid"],
                             process.pid)
            shown = self.portd.ctl("why", port)
            self.assertEqual(shown.returncode, 1)
            self.assertIn("another network namespace", shown.stdout)

    def test_a_privileged_port(self):
        told = self.diagnose(81)
        self.assertTrue(told["privileged"])
        self.assertFalse(told["recorded"])
        shown = self.portd.ctl("why", 81)
        self.assertEqual(shown.returncode, 0)
        self.assertIn("CAP_NET_BIND_SERVICE", shown.stdout)
        self.assertIn("portd does not know whether anybody has the port", shown.stdout)
        tried = subprocess.run(["python3", "-c",
                                "import socket; socket.socket().bind(('127.0.0.1', 81))"],
                               capture_output=True, text=True, user=NOBODY, check=False)
        self.assertIn("PermissionError", tried.stderr)

    def test_advice_for_another_namespace_changes_that_one(self):
        bind = "import socket; socket.socket().bind(('0.0.0.0', 82))"
        with network_namespace(f"portd-why-{os.getpid()}") as name, \
                python_child(LISTEN.format("0.0.0.0", 0), before=["ip", "netns", "exec", name]):
            def try_there():
                return subprocess.run(["nsenter", f"--net=/run/netns/{name}", "setpriv",
                                       f"--reuid={NOBODY}", "--clear-groups", "python3", "-c", bind],
                                      capture_output=True, text=True, check=False)
            self.assertIn("PermissionError", try_there().stderr)
            shown = wait_until(lambda: (told := self.portd.ctl("why", 82, "--netns", name)).returncode == 0
                               and told, what="settings that are known while a process is there")
            command = re.search(rf"ip netns exec {name} sysctl -w \S+", shown.stdout)
            subprocess.run(["sh", "-c", command[0]], check=True, capture_output=True)
            self.assertEqual(try_there().returncode, 0)
            with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as own:
                self.assertNotEqual(own.read().strip(), "82")

    def test_nothing_at_all(self):
        port = free_port()
        told = self.diagnose(port)
        self.assertEqual((told["blocking"], told["perhapsBlocking"]), (0, 0))
        self.assertIsNone(bind_error(socket.AF_INET, "0.0.0.0", port))
        self.assertEqual(self.portd.ctl("why", port).returncode, 1)

    def test_when_a_bind_would_have_failed(self):
        port = free_port()
        spans = []
        for _ in range(2):
            before = now_us()
            with socket.create_server(("127.0.0.3", port)):
                after = now_us()
                wait_until(lambda: self.diagnose(port)["blocking"] == 1)
                ends = now_us()
            spans.append((before, after, ends, now_us()))
        told = self.diagnose_once(
            port, lambda told: len(told["blocked"]) >= 2 and "untilUsec" in told["blocked"][-1])
        for (before, after, ends, ended), time in zip(spans, told["blocked"][-2:]):
            self.assertTrue(time["certain"])
            self.assertTrue(before <= time["sinceUsec"] <= after, (before, time, after))
            self.assertTrue(ends <= time["untilUsec"] <= ended, (ends, time, ended))
            self.assertEqual(time["process"]["pid"], os.getpid())
        # Where it was not in the way, it did not fail.
        self.assertEqual(self.diagnose(port, "--local", "127.0.0.4")["leases"], 0)

    def test_what_an_ordinary_user_is_told(self):
        port = free_port()
        with socket.create_server(("127.0.0.1", port)):
            self.blocking(port)
            told = self.portd.json("why", port, user=NOBODY)[0]["diagnosis"]
            self.assertEqual((told["blocking"], told["leases"], told["withheld"]), (1, 0, True))
            self.assertTrue(told["obstacles"][0]["lease"]["incomplete"])

    def test_what_it_refuses(self):
        for options in (("--local", "10.0.0.0/8"), ("--local", "nowhere"), ("--netns", "0"),
                        ("--proto", "sctp")):
            self.assertEqual(self.portd.ctl("why", 50000, *options).returncode, 2, options)



if __name__ == "__main__":
    unittest.main()
