"""Exact capture of several network namespaces."""

import contextlib
import os
import signal
import unittest

from harness import (Daemon, need_ebpf, need_root, network_namespace, now_us, python_child,
                     wait_until)
from truth import expect_exact

SERVER = ("import socket\n"
          "tcp = socket.create_server(('127.0.0.1', 0))\n"
          "print(tcp.getsockname()[1])\n"
          "input()\n")


def lingering(portd, inode):
    return [lease for lease in portd.leases("list", "--netns", inode)
            if lease["phase"] == "lingering"]


def traces_functions(portd):
    """Whether the kernel runs the program that tells the end of a namespace. Where it is known to be able to,
    PORTD_REQUIRE_TRACING is in the environment, and it is not asked."""
    descriptors = f"/proc/{portd.process.pid}/fdinfo"
    for fd in os.listdir(descriptors):
        with contextlib.suppress(FileNotFoundError), open(f"{descriptors}/{fd}") as info:
            kinds = dict(line.split(":", 1) for line in info if ":" in line)
            # BPF_TRACE_FENTRY of enum bpf_attach_type, linux/bpf.h
            if kinds.get("attach_type", "").strip() == "24":
                return True
    return False


@need_root
@need_ebpf
class Namespaces(unittest.TestCase):
    def test_the_same_ports_in_three_namespaces_at_once(self):
        with Daemon("--capture", "ebpf") as portd:
            truth = expect_exact(self, portd, "namespaces")
            spaces = {lease["networkNamespace"] for lease in truth.leases}
            if not truth.skipped:
                self.assertEqual(len(spaces), 3)
                self.assertNotIn(portd.status()["networkNamespace"], spaces)

    def test_what_was_there_before_is_named_with_its_namespace(self):
        code = ("import socket\n"
                "tcp = socket.create_server(('127.0.0.1', 0))\n"
                "client = socket.create_connection(tcp.getsockname())\n"
                "udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
                "udp.bind(('::1', 0))\n"
                "print(tcp.getsockname()[1], client.getsockname()[1], udp.getsockname()[1])\n"
                "input()\n")
        with network_namespace(f"portd-{os.getpid()}") as name:
            inside = ["ip", "netns", "exec", name]
            with python_child(code, before=inside) as (process, ports), \
                    Daemon("--capture", "ebpf") as portd:
                listening, connected, datagram = ports.split()

                def lease_of(port, role):
                    found = [l for l in portd.leases("history", port) if l.get("role") == role]
                    return found[0] if found else None
                # A listener can have got it by bind() or listen(), a datagram socket in any way.
                expected = ((listening, "listener", None), (connected, "client", "connect"),
                            (datagram, "datagram", None))
                for port, role, chosen_by in expected:
                    lease = lease_of(port, role)
                    self.assertIsNotNone(lease, (port, role, portd.leases("history", port)))
                    self.assertEqual(lease["networkNamespaceName"], name)
                    self.assertEqual([h["pid"] for h in lease["holders"]], [process.pid])
                    self.assertEqual(lease.get("portChoice"), "automatic")
                    self.assertEqual(lease.get("portChosenBy"), chosen_by)
                    self.assertNotIn("earliestUsec", lease["opened"])
                process.kill()
                for port, role, _ in expected:
                    ended = wait_until(lambda: lease_of(port, role).get("closed"))
                    self.assertEqual(ended["provenance"], "observed")

    def test_who_has_a_port_elsewhere_is_not_taken_for_a_holder_here(self):
        with Daemon("--capture", "ebpf") as portd, \
                network_namespace(f"portd-{os.getpid()}") as name, \
                python_child(SERVER, before=["ip", "netns", "exec", name]) as (_, port):
            wait_until(lambda: portd.leases("list", "--port", port, "--netns", name))
            heading, row = portd.ctl("who", port).stdout.splitlines()[:2]
            self.assertIn("  NETNS  ", heading)
            self.assertIn(f"  {name}  ", row)
            self.assertIn(f", in network namespace {name}, listening", portd.ctl("explain", port).stdout)

    def test_a_namespace_that_is_deleted_ends_its_leases(self):
        with Daemon("--capture", "ebpf") as portd:
            with network_namespace(f"portd-{os.getpid()}") as name:
                with python_child(SERVER, before=["ip", "netns", "exec", name]) as (process, port):
                    wait_until(lambda: name in [lease.get("networkNamespaceName")
                                                for lease in portd.leases("history", port)])
                    process.kill()
            ended = wait_until(lambda: portd.leases("history", port)[0].get("closed"))
            self.assertEqual(ended["provenance"], "observed")
            self.assertEqual(portd.leases("history", port)[0]["networkNamespaceName"], name)

    def test_time_wait_ends_with_its_namespace(self):
        code = ("import socket\n"
                "server = socket.create_server(('127.0.0.1', 0))\n"
                "for _ in range(10):\n"
                "    client = socket.create_connection(server.getsockname())\n"
                "    accepted, _ = server.accept()\n"
                "    client.close()\n"
                "    accepted.recv(1)\n"
                "    accepted.close()\n"
                "print(server.getsockname()[1])\n")
        name = f"portd-{os.getpid()}"
        with Daemon("--capture", "ebpf") as portd:
            if not os.environ.get("PORTD_REQUIRE_TRACING") and not traces_functions(portd):
                self.skipTest("the kernel does not let functions be traced")
            with network_namespace(name):
                inode = os.stat(f"/run/netns/{name}").st_ino
                with python_child(code, before=["ip", "netns", "exec", name]) as (process, _):
                    process.wait()
                wait_until(lambda: len(lingering(portd, inode)) == 10, what="ten TIME_WAIT entries")
                deleted = now_us()
            for _ in range(100):  # the kernel uses the inode number again, once the old one is gone
                with network_namespace(name):
                    again = os.stat(f"/run/netns/{name}").st_ino
                    gone = now_us()
                    if again == inode:
                        portd.wait_samples()
                        self.assertEqual(portd.leases("list", "--netns", inode), [])
                        break
            else:
                self.fail("the number was not used again")
            leases = [lease for lease in portd.leases("history", "--netns", inode)
                      if lease.get("role") == "client"]
            self.assertEqual(len(leases), 10)
            for lease in leases:
                self.assertEqual(lease["freed"]["provenance"], "observed")
                self.assertLessEqual(deleted - 1, lease["freed"]["usec"])
                self.assertLessEqual(lease["freed"]["usec"], gone + 1)

    def test_names_do_not_outlive_their_namespaces(self):
        with Daemon("--capture", "ebpf") as portd:
            for number in range(4):  # the kernel uses the inode number again
                name = f"portd-{os.getpid()}-{number}"
                with network_namespace(name), \
                        python_child(SERVER, before=["ip", "netns", "exec", name]) as (_, port):
                    wait_until(lambda: portd.leases("list", "--port", port, "--netns", name))
                    inode = os.stat(f"/run/netns/{name}").st_ino
                portd.wait_samples()
                lease, = portd.leases("history", port, "--netns", inode)
                self.assertEqual(lease["networkNamespaceName"], name)
            with python_child(SERVER, before=["unshare", "--net"]) as (process, port):
                inode = os.stat(f"/proc/{process.pid}/ns/net").st_ino
                lease, = wait_until(lambda: portd.leases("history", port, "--netns", inode))
                self.assertNotIn("networkNamespaceName", lease)

    def test_what_is_dynamic_for_portd_is_recorded_where_it_is_not(self):
        narrow = ["unshare", "--net", "sh", "-c",
                  "sysctl -qw net.ipv4.ip_local_port_range='40000 40099'; exec \"$@\"", "sh"]
        code = SERVER.replace("('127.0.0.1', 0)", "('127.0.0.1', 45950)")
        with Daemon("--capture", "ebpf") as portd, python_child(code, before=narrow):
            wait_until(lambda: [lease for lease in portd.json("who", 45950)[0]["holders"]
                                if lease.get("role") == "listener"])

    def test_a_namespace_that_is_gone_after_a_restart_has_no_open_leases(self):
        portd = Daemon("--capture", "ebpf")
        with portd:
            with network_namespace(f"portd-{os.getpid()}") as name:
                with python_child(SERVER, before=["ip", "netns", "exec", name]) as (process, port):
                    self.assertEqual(len(wait_until(lambda: portd.leases("history", port))), 1)
                    portd.stop(signal.SIGKILL)
                    process.kill()
            portd.start()
            lease, = portd.leases("history", port)
            self.assertIn("latestUsec", lease["closed"])
            self.assertEqual(portd.leases("list", "--port", port), [])


if __name__ == "__main__":
    unittest.main()
