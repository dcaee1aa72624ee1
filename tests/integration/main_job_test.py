"""What portd exists for: who held a port, and when."""

import socket
import subprocess
import time
import unittest

from harness import (Daemon, bounds, free_port, leases_here, need_root, now_us, python_child,
                     keep_ports_apart, wait_until)

INTERVAL_US = 200_000
# A sample itself takes time: bounds are those of neighbouring samples.
SLACK_US = 150_000

setUpModule = keep_ports_apart


def connection(portd, port, peer_port):
    """The leases of one connection: its port may linger from others, which had other peers."""
    return [l for l in leases_here(portd, port) if l.get("peerPort") == peer_port]


@need_root
class MainJob(unittest.TestCase):
    def test_a_server_that_is_gone_is_named(self):
        port = free_port()
        with Daemon(interval="200ms") as portd:
            before = now_us()
            time.sleep(0.5)
            started = now_us()
            server = subprocess.Popen(["python3", "-m", "http.server", "--bind", "127.0.0.1",
                                       str(port)], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            wait_until(lambda: portd.ctl("who", port).returncode == 0, what="the listener in who")
            while_held = now_us()
            time.sleep(1)
            stopping = now_us()
            server.kill()
            server.wait()
            stopped = now_us()
            wait_until(lambda: portd.ctl("who", port).returncode == 1, what="the end in who")

            self.check(portd, port, server.pid, started, while_held, stopping, stopped, before)
            portd.stop()
            restarting = now_us()
            portd.start()
            self.check(portd, port, server.pid, started, while_held, stopping, stopped, before)

            # While portd was stopped it was not watching, and says so.
            told = portd.ctl("history", port, "--at", f"@{restarting / 1e6:.6f}", "--within", "0s")
            self.assertEqual(told.returncode, 1)
            self.assertIn("not watching", told.stdout + told.stderr)

    def check(self, portd, port, pid, started, while_held, stopping, stopped, before):
        lease, = leases_here(portd, port)
        self.assertEqual(lease["role"], "listener")
        self.assertEqual(lease["opener"]["pid"], pid)
        self.assertEqual(lease["lastHolder"]["pid"], pid)
        self.assertIn("python3", lease["opener"]["executable"])
        self.assertEqual(lease["opener"]["user"], "root")
        self.assertEqual(lease["uid"], 0)

        earliest, latest = bounds(lease["opened"])
        self.assertLessEqual(started - SLACK_US, latest)
        self.assertLessEqual(latest, while_held)
        self.assertLessEqual(latest - earliest, INTERVAL_US + SLACK_US)
        earliest, latest = bounds(lease["closed"])
        self.assertLessEqual(earliest, stopped + SLACK_US)
        self.assertGreaterEqual(latest, stopping)
        self.assertLessEqual(latest - earliest, INTERVAL_US + SLACK_US)

        row = portd.ctl("history", port).stdout
        for word in ("python3", str(pid), "root", "listener"):
            self.assertIn(word, row)

        def at(moment, *more):
            return portd.ctl("history", port, "--at", f"@{moment / 1e6:.6f}", "--within", "0s", *more)

        self.assertEqual(at(while_held).returncode, 0)
        self.assertIn(str(pid), at(while_held).stdout)
        nobody = at(before + 300_000)
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("was watching", nobody.stdout + nobody.stderr)
        self.assertNotIn("not watching", nobody.stdout + nobody.stderr)
        unwatched = at(before - 3600_000_000)
        self.assertEqual(unwatched.returncode, 1)
        self.assertIn("not watching", unwatched.stdout + unwatched.stderr)

    def test_sockets_of_five_milliseconds_have_an_exact_end_and_no_guessed_holder(self):
        with Daemon("--capture", "sock_diag", interval="2s") as portd:
            portd.wait_samples(1)
            cases = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
            for name, kind in cases.items():
                with self.subTest(name):
                    with socket.socket(socket.AF_INET, kind) as brief:
                        brief.bind(("127.0.0.1", 0))
                        port = brief.getsockname()[1]
                        opened = now_us()
                        time.sleep(0.005)
                        closing = now_us()
                    closed = now_us()
                    lease = wait_until(lambda: [l for l in leases_here(portd, port)
                                                if l["protocol"] == name],
                                       what="the lease of the brief socket")[0]
                    self.assertEqual(lease["closed"]["provenance"], "observed")
                    self.assertLessEqual(closing, lease["closed"]["usec"])
                    self.assertLessEqual(lease["closed"]["usec"], closed + 100_000)
                    earliest, latest = bounds(lease["opened"])
                    self.assertLessEqual(earliest, opened)
                    self.assertGreaterEqual(latest, opened)
                    self.assertEqual(lease["opener"]["provenance"], "unknown")
                    self.assertEqual(lease["holders"], [])
                    self.assertIn("unknown", portd.ctl("history", port).stdout)

    def test_a_short_connection_has_both_ends_and_bytes(self):
        with Daemon("--capture", "sock_diag", interval="200ms") as portd:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                wait_until(lambda: portd.leases("who", listener.getsockname()[1]) or
                           portd.ctl("who", listener.getsockname()[1]).returncode == 0)
                client = socket.create_connection(listener.getsockname())
                accepted, _ = listener.accept()
                client.sendall(b"x" * 1000)
                accepted.recv(2000)
                accepted.sendall(b"y" * 500)
                client.recv(2000)
                client_port = client.getsockname()[1]
                listener_port = listener.getsockname()[1]
                accepted.close()
                client.close()
            wait_until(lambda: connection(portd, client_port, listener_port))
            lease = connection(portd, client_port, listener_port)[0]
            self.assertEqual(lease["role"], "client")
            self.assertEqual(lease["peerAddress"], "127.0.0.1")
            wait_until(lambda: connection(portd, client_port, listener_port)[0]
                       .get("bytesSent") == 1000)
            lease = connection(portd, client_port, listener_port)[0]
            # The kernel may count the peer's FIN.
            self.assertIn(lease["bytesReceived"], (500, 501))
            accepted_leases = [l for l in leases_here(portd, listener_port)
                               if l.get("role") == "accepted"]
            self.assertEqual(len(accepted_leases), 1)
            self.assertEqual(accepted_leases[0]["peerPort"], client_port)

    def test_all_processes_that_hold_a_socket_are_its_holders(self):
        code = ("import os, socket, time\n"
                "s = socket.create_server(('127.0.0.1', 0))\n"
                "child = os.fork()\n"
                "if child: print(s.getsockname()[1], child)\n"
                "time.sleep(60)\n")
        with Daemon() as portd, python_child(code) as (parent, line):
            port, child = map(int, line.split())
            try:
                def holders():
                    found = leases_here(portd, port)
                    return found and len(found[0]["holders"]) == 2 and found[0]
                lease = wait_until(holders, 45, "two holders")
                self.assertEqual({h["pid"] for h in lease["holders"]}, {parent.pid, child})
                self.assertEqual(lease["opener"]["pid"], parent.pid)
            finally:
                subprocess.run(["kill", str(child)])

    def test_time_wait_lingers_without_a_holder(self):
        with Daemon("--capture", "sock_diag") as portd:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                client = socket.create_connection(listener.getsockname())
                accepted, _ = listener.accept()
                portd.wait_samples(2)
                port = client.getsockname()[1]
                client.close()  # closes first: TIME_WAIT is here
                accepted.close()
                portd.wait_samples(2)
                lease, = connection(portd, port, listener.getsockname()[1])
                self.assertEqual(lease["phase"], "lingering")
                self.assertIn("closed", lease)
                self.assertNotIn("freed", lease)

    def test_sockets_that_existed_before_portd_have_no_earliest_opening(self):
        with socket.create_server(("127.0.0.1", 0)) as listener, Daemon() as portd:
            lease = leases_here(portd, listener.getsockname()[1])[0]
            self.assertNotIn("earliestUsec", lease["opened"])
            self.assertEqual(lease["opener"]["command"], "python3")

    def test_ports_outside_the_policy_are_not_recorded(self):
        low = free_port(low=20000, high=32000)
        with Daemon() as portd, socket.create_server(("127.0.0.1", low)):
            portd.wait_samples()
            self.assertEqual(leases_here(portd, low), [])
            self.assertIn("leaves it out", portd.ctl("explain", low).stdout)
        with Daemon("--ports", "all") as portd, socket.create_server(("127.0.0.1", low)):
            lease = wait_until(lambda: leases_here(portd, low))[0]
            self.assertEqual(lease["portChoice"], "explicit")

    def test_procfs_names_holders_too(self):
        with Daemon("--capture", "procfs") as portd, socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
            lease = wait_until(lambda: leases_here(portd, port))[0]
            self.assertEqual(lease["opener"]["command"], "python3")
            self.assertNotIn("cookie", lease)
            client = socket.create_connection(s.getsockname())
            accepted, _ = s.accept()
            portd.wait_samples()
            client_port = client.getsockname()[1]
            client.close()
            accepted.close()
            portd.wait_samples()
            lease, = connection(portd, client_port, port)
            self.assertEqual(lease["phase"], "lingering")


@need_root
class Restart(unittest.TestCase):
    def test_an_open_lease_goes_on_after_a_restart_and_after_kill(self):
        with socket.create_server(("127.0.0.1", 0)) as listener, Daemon() as portd:
            port = listener.getsockname()[1]
            portd.wait_samples()
            first, = leases_here(portd, port)
            for how in (15, 9):
                portd.stop(how)
                portd.start()
                portd.wait_samples()
                again, = leases_here(portd, port)
                self.assertEqual(again["id"], first["id"])
                self.assertEqual(again["opened"], first["opened"])
                self.assertNotIn("freed", again)

    def test_a_lease_that_ended_while_stopped_has_known_bounds(self):
        with Daemon() as portd:
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            portd.wait_samples()
            portd.stop()
            stopped = now_us()
            listener.close()
            time.sleep(0.3)
            portd.start()
            portd.wait_samples()
            lease, = leases_here(portd, port)
            earliest, latest = bounds(lease["closed"])
            self.assertEqual(lease["phase"], "freed")
            self.assertLessEqual(earliest, stopped)
            self.assertGreaterEqual(latest, stopped)
            gaps = [g for o in portd.json("history", port) for g in o.get("coverage", {}).get("gaps", [])]
            self.assertTrue([g for g in gaps if g["cause"] == "notRunning" and "sinceUsec" in g], gaps)

    def test_a_second_instance_is_refused_with_the_pid_of_the_first(self):
        with Daemon() as portd:
            second = Daemon(folder=portd.folder).start(wait=False)
            self.assertEqual(second.process.wait(20), 77)
            self.assertIn(str(portd.process.pid), portd.log())
            self.assertEqual(portd.ctl("status").returncode, 0)


if __name__ == "__main__":
    unittest.main()
