"""256 clients that do all they can to get in the way of another, and of capture. How long the other waits is
printed, and not judged, as the machine may have other work; that it waits for few pieces of the others' work is
tested in tests/unit/server."""

import json
import pathlib
import socket
import subprocess
import sys
import threading
import time
import unittest

from harness import NOBODY, Daemon, need_root, varlink, wait_until

ATTACKER = pathlib.Path(__file__).resolve().with_name("hostile_attacker.py")
CLIENTS = 256
SECONDS = 12
CONNECTIONS = 400


def message(method, parameters=None, **more):
    return json.dumps({"method": method, "parameters": parameters or {}, **more}).encode() + b"\0"


STATUS = message("io.portd.Ports.Status")


@need_root
class HostileClients(unittest.TestCase):
    def make_history(self, portd):
        with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
            for _ in range(300):
                with socket.create_connection(server.getsockname()):
                    server.accept()[0].close()
        portd.wait_samples()

    def measure(self, portd, seconds):
        """How long answers take, in milliseconds; a connection for each."""
        taken = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begin = time.monotonic()
            reply, = varlink(portd.socket, message("io.portd.Ports.Who", {"port": 50000}))
            self.assertIn("parameters", reply)
            taken.append((time.monotonic() - begin) * 1000)
            time.sleep(0.01)
        return sorted(taken)

    def connections(self, stop, made):
        """Connections whose leases must all be found, each of a port of its own."""
        with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
            while not stop.is_set() and len(made) < CONNECTIONS:
                client = socket.create_connection(server.getsockname())
                made.append(client.getsockname()[1])
                server.accept()[0].close()
                client.close()
                time.sleep(0.02)

    def attacked(self, user):
        with Daemon("--ports", "all") as portd:
            self.make_history(portd)
            quiet = self.measure(portd, 2)
            before = portd.status()
            attacker = subprocess.Popen(["python3", "-c", ATTACKER.read_text(), portd.socket],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        user=user, group=user, extra_groups=[] if user else None)
            try:
                self.assertEqual(attacker.stdout.readline(), "ready\n")
                stop, made = threading.Event(), []
                maker = threading.Thread(target=self.connections, args=(stop, made))
                maker.start()
                taken = self.measure(portd, SECONDS)
                stop.set()
                maker.join()
            finally:
                attacker.stdin.close()
                done = json.loads(attacker.stdout.readline() or "{}")
                attacker.stdout.close()
                attacker.wait(20)
            portd.wait_samples()
            after = portd.status()
            p99 = taken[int(len(taken) * 0.99)]
            print(f"\n  uid {user or 0}: p99 {p99:.1f} ms of {len(taken)} answers while {CLIENTS} clients "
                  f"attack ({quiet[int(len(quiet) * 0.99)]:.1f} ms before); {done}; "
                  f"{(after['residentBytes'] - before['residentBytes']) >> 10} KiB more memory",
                  file=sys.stderr)
            self.assertGreater(done["served"], 0)
            self.assertGreater(done["refused"], 0)
            self.assertGreater(len(made), 50)
            self.assertEqual(before["losses"], after["losses"])
            found = {lease["localPort"] for lease in portd.leases("history", "--since", "-1min")
                     if lease.get("role") == "client"}
            if after["tier"] == "ebpf":
                self.assertEqual(set(made) - found, set())
            self.assertLess(after["residentBytes"] - before["residentBytes"], 64 << 20)

    def test_of_another_user(self):
        self.attacked(NOBODY)

    def test_of_roots_own_place(self):
        # Root's own connections are limited apart, and the one who measures is one of them.
        with Daemon() as portd:
            held = []
            for _ in range(200):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(str(portd.socket))
                held.append(connection)
            reply, = varlink(portd.socket, STATUS)
            self.assertTrue(reply["error"].endswith("LimitExceeded"))
            self.assertEqual(reply["parameters"]["limit"], "connectionsPerUser")
            for connection in held:
                connection.close()
            wait_until(lambda: "error" not in varlink(portd.socket, STATUS)[0],
                       what="an answer after the connections were given up")


if __name__ == "__main__":
    unittest.main()
