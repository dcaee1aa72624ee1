"""portd-ctl conflicts, pressure and map in a namespace whose range has 200 ports."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import unittest

from harness import (NOBODY, Daemon, need_ebpf, need_root, network_namespace, now_us, python_child,
                     wait_until)

LOW, HIGH = 11000, 11199
ELSEWHERE = "192.0.2.1"  # an address that is not one of loopback


class NamespaceDaemon(Daemon):
    """A portd whose own network namespace is that one: it knows the range of that."""

    def __init__(self, name, *options, **keywords):
        super().__init__(*options, **keywords)
        self.name = name
        self.inside = ["nsenter", f"--net=/run/netns/{name}"]

    def _spawn(self, command):
        return super()._spawn([*self.inside, *command])

    def run(self, code, *arguments):
        """What a python program prints in the namespace."""
        result = subprocess.run([*self.inside, "python3", "-c", code, *map(str, arguments)],
                                capture_output=True, text=True, timeout=60, check=False)
        return result.stdout.strip() or result.stderr.strip().splitlines()[-1]

    def set(self, setting, value):
        subprocess.run([*self.inside, "sysctl", "-qw", f"net.ipv4.{setting}={value}"], check=True)

    def take_advice(self, text, setting):
        """Runs the command that portd-ctl printed."""
        command = re.search(rf"sysctl -w (net\.ipv4\.{setting}=(?:'[^']*'|\S+))", text)
        subprocess.run([*self.inside, "sysctl", "-qw", command[1].replace("'", "")], check=True)


@contextlib.contextmanager
def small_range():
    with network_namespace(f"portd-200-{os.getpid()}") as name:
        inside = ["nsenter", f"--net=/run/netns/{name}", "sysctl", "-qw"]
        subprocess.run([*inside, f"net.ipv4.ip_local_port_range={LOW} {HIGH}"], check=True)
        subprocess.run([*inside[:2], "ip", "address", "add", f"{ELSEWHERE}/32", "dev", "lo"],
                       check=True)
        with NamespaceDaemon(name, "--capture", "ebpf", "--ports", "all") as portd:
            yield portd


# Connects twenty times a second until it is refused, then prints when, and keeps all open.
LEAK = """
import socket, time
server = socket.create_server(('127.0.0.1', 81), backlog=1024)
held = []
print('ready')
while True:
    time.sleep(0.05)
    one = socket.socket()
    try:
        one.connect(('127.0.0.1', 81))
    except OSError as error:
        print(error.errno, time.time_ns() // 1000)
        break
    held.append(one)
input()
"""
# Connections that the client closes first, so that its ports linger.
PILE_UP = """
import socket, sys, time
server = socket.create_server((sys.argv[1], 82))
print('ready')
input()
try:
    for i in range(int(sys.argv[2])):
        one = socket.create_connection((sys.argv[1], 82))
        accepted, _ = server.accept()
        one.close()
        accepted.close()
    print('no error')
except OSError as error:
    print(error.errno)
input()
"""
BIND_DATAGRAMS = """
import socket
held = []
try:
    while len(held) < 1000:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(('127.0.0.1', 0))
        held.append(one)
    print('no error')
except OSError as error:
    print(error.errno)
input()
"""
# 150 that bind a port of their choice before they connect to one destination, and what is left for
# another.
BIND_AND_CONNECT = """
import socket
servers = [socket.create_server(('127.0.0.1', port), backlog=1024) for port in (7000, 7001)]
held = []
for port in range(11000, 11150):
    one = socket.socket()
    one.bind(('127.0.0.1', port))
    one.connect(('127.0.0.1', 7001))
    held.append(one)
count = 0
try:
    while True:
        held.append(socket.create_connection(('127.0.0.1', 7000)))
        count += 1
except OSError as error:
    print(count, error.errno)
input()
"""
# As many connections to one destination as there are ports. What is done with a socket before it
# connects is to put in.
CONNECT_ALL = """
import socket
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h
server = socket.create_server(('127.0.0.1', 7001), backlog=1024)
another = socket.create_server(('127.0.0.1', 7000), backlog=1024)
held = []
try:
    while True:
        one = socket.socket()
        {before}
        one.connect(('127.0.0.1', 7001))
        held.append(one)
except OSError as error:
    print(len(held), error.errno)
input()
"""
# Connections that are there before portd is.
HOLD = """
import socket
server = socket.create_server(('127.0.0.1', 84), backlog=1024)
held = [socket.create_connection(('127.0.0.1', 84)) for _ in range(100)]
print('ready')
input()
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[2] if len(sys.argv) > 2 else '127.0.0.1', int(sys.argv[1])))
    print('ok')
except OSError as error:
    print(error.errno)
"""
# One after the other, in less time than a port lingers.
CONNECT_AGAIN = """
import socket, sys
for _ in range(30):
    socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()
print(30)
"""
BIND_ANY_DATAGRAM = """
import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(('127.0.0.1', 0))
    print('ok')
except OSError as error:
    print(error.errno)
"""
# 70 % of the range for each of as many destinations as it takes to use every port, and one destination that has
# none of them.
FILL = """
import resource, socket
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
idle = socket.create_server(('127.0.0.1', 6999))
servers, held, ports = [], [], set()
while len(ports) < 200 and len(servers) < 40:
    servers.append(socket.create_server(('127.0.0.1', 7000 + len(servers)), backlog=1024))
    for _ in range(140):
        held.append(socket.create_connection(servers[-1].getsockname()))
        ports.add(held[-1].getsockname()[1])
print(len(servers), len(ports))
input()
"""
# Port 0 at an address, with these options of SOL_SOCKET.
BIND = """
import socket, sys
one = socket.socket()
for option in sys.argv[2:]:
    one.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
try:
    one.bind((sys.argv[1], 0))
    print('ok')
except OSError as error:
    print(error.errno)
"""
LISTEN = """
import socket
try:
    socket.socket().listen()
    print('ok')
except OSError as error:
    print(error.errno)
"""
# Connections over loopback that come one after the other, and all end at once.
LEAK_THAT_ENDS = """
import socket, time
server = socket.create_server(('127.0.0.1', 85), backlog=1024)
held = []
for _ in range(100):
    held.append(socket.create_connection(('127.0.0.1', 85)))
    time.sleep(0.06)
for one in held:
    one.close()
for _ in held:
    server.accept()[0].close()
print('ready')
input()
"""
NO_PORT_FOR_CONNECT = "99"  # EADDRNOTAVAIL
NO_PORT_FOR_BIND = "98"  # EADDRINUSE


@need_root
@need_ebpf
class Pressure(unittest.TestCase):
    # Other tests have sockets, too: only what is in the namespace of this one is asked for.

    def pools(self, portd):
        """All; in the first second after the start the answer is that growth is not known."""
        said = portd.ctl("--json", "pressure", "--netns", portd.name)
        self.assertIn(said.returncode, (0, 1, 4), said.stderr)
        return [o for o in map(json.loads, said.stdout.splitlines()) if "kind" in o]

    def pool(self, portd, kind, enough):
        """The first pool of that kind, as soon as there is enough of it."""
        def found():
            pools = [o for o in self.pools(portd) if o["kind"] == kind]
            return pools[0] if pools and enough(pools[0]) else None
        return wait_until(found, 40, f"a pool of {kind}")

    def test_a_leak_is_named_and_its_end_is_foretold(self):
        with small_range() as portd, python_child(LEAK, before=portd.inside) as (process, _):
            began = now_us()
            told = self.pool(portd, "oneDestination", lambda pool: pool["usedPorts"] >= 60)
            asked = now_us()
            self.assertEqual((told["automaticPorts"], told["peerPort"]), (200, 81))
            self.assertIn("python3", told["programs"][0]["executable"])
            shown = portd.ctl("pressure", "--netns", portd.name)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn("ip_local_port_range=", shown.stdout)
            # It happens, after it was foretold.
            error, happened = process.stdout.readline().split()
            self.assertEqual(error, NO_PORT_FOR_CONNECT)
            self.assertLess(asked, int(happened))
            foretold, took = told["exhaustedUsec"] - began, int(happened) - began
            self.assertTrue(took / 4 < foretold < took * 4, (foretold, took))
            self.pool(portd, "oneDestination", lambda pool: pool["usedPorts"] >= 199)
            shown = portd.ctl("pressure", "--netns", portd.name).stdout
            self.assertEqual(portd.run(CONNECT, 81), NO_PORT_FOR_CONNECT)
            portd.take_advice(shown, "ip_local_port_range")
            self.assertEqual(portd.run(CONNECT, 81), "ok")

    def pile_up(self, process):
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def test_time_wait(self):
        code = PILE_UP.replace("sys.argv[1]", repr(ELSEWHERE)).replace("sys.argv[2]", "1000")
        with small_range() as portd, python_child(code, before=portd.inside) as (process, _):
            self.assertEqual(self.pile_up(process), NO_PORT_FOR_CONNECT)
            told = self.pool(portd, "timeWait", lambda pool: pool["usedPorts"] >= 199)
            self.assertGreaterEqual(told["lingeringPorts"], 190)
            self.assertEqual(told["livePorts"] + told["boundPorts"] + told["lingeringPorts"],
                             told["usedPorts"])
            shown = portd.ctl("pressure", "--netns", portd.name).stdout
            self.assertEqual(portd.run(CONNECT, 82, ELSEWHERE), NO_PORT_FOR_CONNECT)
            self.assertEqual(told["timeWaitReuse"], "loopback")
            self.assertIn("only TCP timestamps", " ".join(shown.split()), "what it costs")
            portd.take_advice(shown, "tcp_tw_reuse")
            time.sleep(1.1)  # a port is used again a second after its connection
            self.assertEqual(portd.run(CONNECT, 82, ELSEWHERE), "ok")
            told = self.pool(portd, "timeWait", lambda pool: pool["timeWaitReuse"] == "always")
            self.assertNotIn("exhaustedUsec", told)
            shown = portd.ctl("pressure", "--netns", portd.name)
            self.assertIn("as net.ipv4.tcp_tw_reuse is 1", " ".join(shown.stderr.split()))
            # It is no help for this:
            self.assertEqual(portd.run(BIND, "0.0.0.0", "SO_REUSEADDR"), NO_PORT_FOR_BIND)
            self.assertEqual(shown.returncode, 0, shown.stdout)
            self.assertNotIn("Connections from", shown.stdout)
            self.assertIn("in the way of bind(2)", " ".join(shown.stdout.split()))
            self.assertIn("keep connections open", " ".join(shown.stdout.split()))

    def test_time_wait_over_loopback_where_it_is_not_used_again(self):
        code = PILE_UP.replace("sys.argv[1]", "'127.0.0.1'").replace("sys.argv[2]", "1000")
        with small_range() as portd, python_child(code, before=portd.inside) as (process, _):
            portd.set("tcp_tw_reuse", 0)
            self.assertEqual(self.pile_up(process), NO_PORT_FOR_CONNECT)
            self.pool(portd, "timeWait", lambda pool: pool.get("timeWaitReuse") == "never" and
                      "exhaustedUsec" in pool)
            shown = portd.ctl("pressure", "--netns", portd.name)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn("there is none left", " ".join(shown.stdout.split()))
            time.sleep(1.1)
            self.assertEqual(portd.run(CONNECT, 82), NO_PORT_FOR_CONNECT)
            portd.take_advice(shown.stdout, "tcp_tw_reuse")
            self.assertEqual(portd.run(CONNECT, 82), "ok")

    def test_time_wait_over_loopback_exhausts_no_destination(self):
        code = PILE_UP.replace("sys.argv[1]", "'127.0.0.1'").replace("sys.argv[2]", "200")
        with small_range() as portd, python_child(code, before=portd.inside) as (process, _):
            self.assertEqual(self.pile_up(process), "no error")
            time.sleep(1.1)  # a port is used again a second after its connection
            self.assertEqual(portd.run(CONNECT_AGAIN, 82), "30")
            told = self.pool(portd, "timeWait", lambda pool: pool["lingeringPorts"] >= 190)
            self.assertNotIn("exhaustedUsec", told)
            shown = portd.ctl("pressure", "--netns", portd.name)
            self.assertEqual(portd.run(BIND, "0.0.0.0"), NO_PORT_FOR_BIND)
            self.assertEqual(portd.run(BIND, "0.0.0.0", "SO_REUSEADDR"), NO_PORT_FOR_BIND)
            self.assertEqual(shown.returncode, 0, shown.stdout)
            self.assertNotIn("Connections from", shown.stdout)
            self.assertIn("in the way of bind(2)", " ".join(shown.stdout.split()))
            self.assertNotIn("tcp_tw_reuse=", shown.stdout)
            self.assertIn("takes such ports again after a second over loopback", " ".join(shown.stderr.split()))

    def test_what_was_bound_before_it_connected_is_taken_from_every_destination(self):
        with small_range() as portd, \
                python_child(BIND_AND_CONNECT, before=portd.inside) as (_, outcome):
            count, error = outcome.split()
            self.assertEqual(error, NO_PORT_FOR_CONNECT)
            told = self.pool(portd, "allStreams", lambda pool: pool["takenPorts"] >= 150)
            self.assertEqual(told["takenBy"][0]["leases"], 150)

            def full():
                pools = [o for o in self.pools(portd) if o.get("peerPort") == 7000]
                return pools if pools and pools[0]["livePorts"] == int(count) else None
            [pool] = wait_until(full, 40)
            self.assertEqual(pool["boundPorts"], 200 - int(count))
            self.assertEqual(pool["usedPorts"], 200)
            shown = portd.ctl("pressure", "--netns", portd.name)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            text = " ".join(shown.stdout.split())
            self.assertIn("to 127.0.0.1:7000 use 200 of 200 (100 %) ports: 150 are bound", text)
            self.assertIn("there is none left", text)
            self.assertEqual(text.count("What helps"), 1, text)
            self.assertRegex(text, r"in \S+python3\S*: close what is done with; set IP_BIND_ADDRESS_NO_PORT")

    def connect_all(self, before, enough):
        """The kinds of pools of which no port is left, and how the ports of the connections were chosen, as
        soon as portd knows of enough of them; then what becomes of one more connection to the same destination,
        and of one to another."""
        with small_range() as portd, python_child(CONNECT_ALL.replace("{before}", before),
                                                  before=portd.inside) as (_, outcome):
            self.assertIn(outcome, ("200 99", "200 98"))

            def full():
                pools = self.pools(portd)
                return pools if [o for o in pools if enough(o) and o["usedPorts"] == 200] else None
            pools = wait_until(full, 40)
            leases = [l for l in portd.leases("list", "--netns", portd.name, "--role", "client")
                      if l["peerPort"] == 7001]
            self.assertEqual(len(leases), 200)
            chosen_by = {(l["portChoice"], l["portChosenBy"]) for l in leases}
            shown = portd.ctl("pressure", "--netns", portd.name)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            after = portd.run(CONNECT, 7001), portd.run(CONNECT, 7000)
            return {o["kind"] for o in pools if "exhaustedUsec" in o}, chosen_by, after, shown.stdout

    def test_a_port_that_bind_chose_is_taken_from_every_destination(self):
        exhausted, chosen_by, after, shown = self.connect_all(
            "one.bind(('127.0.0.1', 0))", lambda pool: pool["takenPorts"] == 200)
        self.assertEqual(chosen_by, {("automatic", "bind")})
        self.assertEqual(exhausted, {"allStreams", "oneDestination"})
        self.assertEqual(after, (NO_PORT_FOR_CONNECT, NO_PORT_FOR_CONNECT))
        self.assertIn("IP_BIND_ADDRESS_NO_PORT", shown)

    def test_a_port_that_connect_chose_is_taken_from_one_destination(self):
        for before in ("pass", "one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1); "
                               "one.bind(('127.0.0.1', 0))"):
            with self.subTest(before):
                exhausted, chosen_by, after, _ = self.connect_all(
                    before, lambda pool: pool["kind"] == "oneDestination")
                self.assertEqual(chosen_by, {("automatic", "connect")})
                self.assertEqual(exhausted, {"allStreams", "oneDestination"})
                self.assertEqual(after, (NO_PORT_FOR_CONNECT, "ok"))

    def test_what_was_there_at_the_start_is_no_growth(self):
        with network_namespace(f"portd-there-{os.getpid()}") as name:
            inside = ["nsenter", f"--net=/run/netns/{name}"]
            subprocess.run([*inside, "sysctl", "-qw",
                            f"net.ipv4.ip_local_port_range={LOW} {HIGH}"], check=True)
            with python_child(HOLD, before=inside), \
                    NamespaceDaemon(name, "--capture", "ebpf", "--ports", "all") as portd:
                told = self.pool(portd, "oneDestination", lambda pool: "portsPerHour" in pool and
                                 pool["usedPorts"] >= 100)
                self.assertEqual(told["portsPerHour"], 0)
                self.assertNotIn("exhaustedUsec", told)
                summary = portd.json("pressure", "--netns", portd.name, "--over", "1d")[-1]["summary"]
                self.assertLess(summary["windowUsec"], 60_000_000)
                self.assertEqual(portd.ctl("pressure", "--netns", portd.name).returncode, 1)

    def test_who_is_named_by_ports_and_what_is_withheld_is_not_unknown(self):
        with small_range() as portd, python_child(ACCEPT, before=portd.inside):
            def of_python(pool):
                return [p["leases"] for p in pool["programs"] if "python3" in p.get("executable", "")]
            told = self.pool(portd, "allStreams", lambda pool: of_python(pool) == [10])
            self.assertEqual([p["leases"] for p in told["takenBy"]
                              if "python3" in p.get("executable", "")], [1])
            asked = portd.ctl("--json", "pressure", "--netns", portd.name, user=NOBODY)
            self.assertEqual(asked.returncode, 4, "how fast they grow is withheld")
            pools = [o for o in map(json.loads, asked.stdout.splitlines()) if "kind" in o]
            self.assertIn(9, [p["leases"] for pool in pools for p in pool["programs"]])
            for pool in pools:
                self.assertEqual([(p["known"], p["withheld"]) for p in pool["programs"]],
                                 [(False, True)])
                self.assertLessEqual(pool["programs"][0]["leases"], pool["usedPorts"])
            shown = portd.ctl("pressure", "--netns", portd.name, user=NOBODY).stdout
            self.assertIn("withheld (9)", shown)
            self.assertNotIn("unknown (", shown)

    def test_connections_to_several_destinations_are_in_the_way_of_bind(self):
        with small_range() as portd, \
                python_child(FILL, before=portd.inside) as (_, outcome):
            servers, ports = map(int, outcome.split())
            self.assertEqual(ports, 200)
            told = self.pool(portd, "allStreams", lambda pool: pool["livePorts"] == 200)
            self.assertEqual((told["usedPorts"], told["boundPorts"]), (200, 0))
            self.assertLessEqual(told["exhaustedUsec"], now_us())
            each = [o for o in self.pools(portd) if o["kind"] == "oneDestination"]
            self.assertEqual({o["usedPorts"] for o in each}, {140})
            self.assertEqual(len(each), min(8, servers))
            self.assertFalse([o for o in each if "exhaustedUsec" in o])

            # What is said is so:
            for address in ("0.0.0.0", "127.0.0.1"):
                self.assertEqual(portd.run(BIND, address), NO_PORT_FOR_BIND)
            self.assertEqual(portd.run(BIND, "0.0.0.0", "SO_REUSEADDR"), NO_PORT_FOR_BIND)
            self.assertEqual(portd.run(LISTEN), NO_PORT_FOR_BIND)
            self.assertEqual(portd.run(CONNECT, 6999), "ok")
            shown = portd.ctl("pressure", "--netns", portd.name, "--over", "2s")
            self.assertEqual(shown.returncode, 0, shown.stderr)
            text = " ".join(shown.stdout.split())
            self.assertIn("TCP sockets use 200 of 200 (100 %) ports, in the way of bind(2) to port 0 at "
                          "every address and of listen(2) without a port: 200 with a connection", text)
            self.assertIn("there is none left (bind and listen fail)", text)
            self.assertEqual(text.count("What helps"), 1, text)
            self.assertNotIn("Connections from", text)
            # And so is what helps:
            self.assertIn("bind to an address that these connections are not from", text)
            self.assertEqual(portd.run(BIND, ELSEWHERE), "ok")
            portd.take_advice(shown.stdout, "ip_local_port_range")
            self.assertEqual(portd.run(BIND, "0.0.0.0"), "ok")
            self.assertEqual(portd.run(LISTEN), "ok")

    def test_a_leak_over_loopback_that_has_ended_is_no_growth(self):
        with small_range() as portd, python_child(LEAK_THAT_ENDS, before=portd.inside):
            self.pool(portd, "timeWait", lambda pool: pool["lingeringPorts"] == 100)
            def lingering():  # once growth is known: a second after the start, or after a loss
                said = portd.ctl("--json", "pressure", "--netns", portd.name, "--over", "6s").stdout
                pools = [o for o in map(json.loads, said.splitlines()) if o.get("lingeringPorts", 0) >= 100]
                return pools if all("portsPerHour" in pool for pool in pools) else None
            for _ in range(10):
                pools = wait_until(lingering, what="pools whose growth is known")
                self.assertEqual({o["kind"] for o in pools}, {"timeWait", "allStreams"})
                for pool in pools:
                    self.assertLessEqual(pool["portsPerHour"], 0, pool)
                    self.assertNotIn("exhaustedUsec", pool)
                time.sleep(0.2)

    def test_bound_datagrams(self):
        with small_range() as portd, \
                python_child(BIND_DATAGRAMS, before=portd.inside) as (_, error):
            self.assertEqual(error, NO_PORT_FOR_BIND)
            told = self.pool(portd, "boundDatagrams", lambda pool: pool["usedPorts"] >= 200)
            self.assertEqual((told["boundPorts"], told["livePorts"]), (200, 0))
            self.assertEqual(told["programs"][0]["leases"], 200)
            self.assertLessEqual(told["exhaustedUsec"], now_us())
            shown = portd.ctl("pressure", "--netns", portd.name, "--proto", "udp").stdout
            self.assertIn("there is none left", shown)
            self.assertEqual(portd.run(BIND_ANY_DATAGRAM), NO_PORT_FOR_BIND)
            portd.take_advice(shown, "ip_local_port_range")
            self.assertEqual(portd.run(BIND_ANY_DATAGRAM), "ok")


# A listener at a port of the range that has accepted nine connections: all have its one port.
ACCEPT = """
import socket
server = socket.create_server(('127.0.0.1', 11100))
held = [socket.create_connection(('127.0.0.1', 11100)) for _ in range(9)]
held += [server.accept()[0] for _ in range(9)]
print('ready')
input()
"""
# A socket in each of 50 namespaces: more than the kernel tells of in one read.
MANY_NAMESPACES = """
import ctypes, socket
held = []
for i in range(50):
    assert ctypes.CDLL(None).unshare(0x40000000) == 0
    with open('/proc/sys/net/ipv4/ip_local_port_range', 'w') as file:
        file.write(f'{12000 + i} {13000 + i}')
    held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    held[-1].bind(('0.0.0.0', 0))
print('ready')
input()
"""
SERVE_ANYWHERE = """
import socket
server = socket.create_server(('127.0.0.1', 0))
print('ready')
input()
"""
SERVE = """
import socket
held = [socket.create_server(('127.0.0.1', port)) for port in (11010, 11020, 11030, 11300)]
print('ready')
input()
"""
# Every port of the range once, one after the other: the kernel chooses those that it may.
CHURN = """
import socket
server = socket.create_server(('127.0.0.1', 83), backlog=1024)
held = []
try:
    while True:
        held.append(socket.create_connection(('127.0.0.1', 83)))
except OSError:
    print(sorted(one.getsockname()[1] for one in held if 11010 <= one.getsockname()[1] <= 11030))
"""


@contextlib.contextmanager
def a_reason_to_look():
    """A connection that nobody has accepted: portd looks who has it, and so at all that processes hold."""
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_connection(server.getsockname()):
        yield


@need_root
@need_ebpf
class Elsewhere(unittest.TestCase):
    """A namespace with a range of 200 ports, two of them reserved, beside the one that portd is in."""

    @contextlib.contextmanager
    def small_range_elsewhere(self):
        with network_namespace(f"portd-elsewhere-{os.getpid()}") as name:
            self.inside = ["ip", "netns", "exec", name]
            self.set("ip_local_port_range", "12000 12199")
            self.set("ip_local_reserved_ports", "12005,12007")
            with Daemon("--capture", "ebpf") as portd:
                yield portd, name

    def set(self, setting, value):
        subprocess.run([*self.inside, "sysctl", "-qw", f"net.ipv4.{setting}={value}"], check=True)

    def leak_of(self, portd, name, enough):
        """The pool of the leak, as soon as it has so many ports and its size is known."""
        said = None

        def found():
            nonlocal said
            said = portd.ctl("--json", "pressure", "--netns", name)
            pools = [o for o in map(json.loads, said.stdout.splitlines())
                     if o.get("kind") == "oneDestination" and "automaticPorts" in o]
            return pools[0] if pools and pools[0]["usedPorts"] >= enough else None
        try:
            return wait_until(found, 40, f"a leak of {enough} ports")
        except AssertionError as failed:
            raise AssertionError(f"{failed}; the last answer: {said}") from None

    def test_a_leak_is_named_and_its_end_is_foretold(self):
        with self.small_range_elsewhere() as (portd, name), \
                python_child(LEAK, before=self.inside) as (process, _):
            began = now_us()
            told = self.leak_of(portd, name, 60)
            asked = now_us()
            self.assertEqual((told["automaticPorts"], told["peerPort"]), (198, 81))
            self.assertEqual((told["rangeLow"], told["rangeHigh"]), (12000, 12199))
            self.assertEqual(told["networkNamespaceName"], name)
            self.assertIn("python3", told["programs"][0]["executable"])
            summary = portd.json("pressure", "--netns", name)[-1]["summary"]
            self.assertEqual((summary["rangeLow"], summary["reservedPorts"]),
                             (12000, "12005,12007"))
            # It happens, after it was foretold.
            error, happened = process.stdout.readline().split()
            self.assertEqual(error, NO_PORT_FOR_CONNECT)
            self.assertLess(asked, int(happened))
            foretold, took = told["exhaustedUsec"] - began, int(happened) - began
            self.assertTrue(took / 4 < foretold < took * 4, (foretold, took))

            self.leak_of(portd, name, 197)
            shown = portd.ctl("pressure", "--netns", name)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn(f"more ports in network namespace {name}:", shown.stdout.replace("\n", " ")
                          .replace("            ", ""))
            wait_until(lambda: [pool for pool in portd.status()["pools"]
                                if pool.get("rangeLow") == 12000 and
                                pool["automaticPorts"] == 198 and
                                pool["openAutomaticPorts"] >= 197], what="the count of the pool")
            drawn = portd.ctl("map", "--netns", name)
            self.assertIn("Ports 12000-12199, now: ", drawn.stdout)
            self.assertNotIn("does not know", drawn.stderr)
            self.assertNotIn("Ports 12000-12199", portd.ctl("map").stdout)
            self.take_advice(shown.stdout)
            code = CONNECT.replace("sys.argv[1]", "81")
            with python_child(code, before=self.inside) as (_, outcome):
                self.assertEqual(outcome, "ok")

    def take_advice(self, text):
        """As it is printed, from where portd is."""
        subprocess.run(["sh", "-c", re.search(r"ip netns exec \S+ sysctl -w net\S+='[^']*'", text)[0]],
                       check=True, capture_output=True)

    def test_each_of_many_namespaces_is_told(self):
        with Daemon("--capture", "ebpf") as portd, python_child(MANY_NAMESPACES) as (_, ready):
            self.assertEqual(ready, "ready")
            expected = [(12000 + i, 13000 + i) for i in range(50)]
            wait_until(lambda: sorted((pool["rangeLow"], pool["rangeHigh"])
                                      for pool in portd.status()["pools"]
                                      if 12000 <= pool.get("rangeLow", 0) < 12050) == expected, 60)
            self.assertNotIn("incomplete", portd.log())

    def test_settings_are_followed_and_forgotten(self):
        with self.small_range_elsewhere() as (portd, name):
            def range_there():
                return portd.ctl("map", "--netns", name).stdout.split(",")[0]

            def reuse_there():
                said = portd.ctl("--json", "pressure", "--netns", name).stdout.splitlines()
                return [o["timeWaitReuse"] for o in map(json.loads, said) if "kind" in o]
            with python_child(SERVE_ANYWHERE, before=self.inside):
                wait_until(lambda: range_there() == "Ports 12000-12199")
                self.assertEqual(reuse_there(), ["loopback"])
                self.set("ip_local_port_range", "11900 12199")
                self.set("tcp_tw_reuse", "1")
                with a_reason_to_look():
                    wait_until(lambda: range_there() == "Ports 11900-12199", 60)
                self.assertEqual(reuse_there(), ["always"])
            refused = portd.ctl("map", "--netns", name + "x")
            self.assertEqual((refused.returncode, refused.stdout), (2, ""))
            self.assertEqual(refused.stderr, portd.ctl("pressure", "--netns", name + "x").stderr)
            remark = "portd does not know the range of that network namespace"
            with a_reason_to_look():
                wait_until(lambda: remark in portd.ctl("map", "--netns", name).stderr, 60)
            self.assertNotIn(remark, portd.ctl("map").stderr)
            self.assertEqual(portd.ctl("pressure", "--netns", name).returncode, 4)


@need_root
@need_ebpf
class Conflicts(unittest.TestCase):
    def test_three_services_of_which_one_is_reserved(self):
        with small_range() as portd:
            portd.set("ip_local_reserved_ports", "11030")
            portd.wait_samples()  # it reads that again
            chosen = portd.run(CHURN)
            self.assertIn("11010, ", chosen)
            self.assertNotIn("11030", chosen)
            with python_child(SERVE, before=[*portd.inside]) as (process, ready):
                self.assertEqual(ready, "ready")

                def answer():
                    told = portd.json("conflicts")
                    services = {o["port"]: o for o in told if "port" in o and "holder" in o}
                    is_whole = set(services) == {11010, 11020} and \
                        all(o["automaticLeases"] > 0 for o in services.values())
                    return (services, told[-1]["summary"]) if is_whole else None
                services, summary = wait_until(answer, what="both conflicts")
                for service in services.values():
                    self.assertEqual(service["holder"]["opener"]["pid"], process.pid)
                    self.assertGreaterEqual(service["automaticLeases"], 1)
                self.assertEqual((summary["reserved"], summary["reservedPorts"]), (1, "11030"))
                shown = portd.ctl("conflicts")
                self.assertEqual(shown.returncode, 0, shown.stderr)
                portd.take_advice(shown.stdout, "ip_local_reserved_ports")
                wait_until(lambda: portd.ctl("conflicts").returncode == 1, 30,
                           "the end of the conflicts")
            self.assertEqual(portd.run(CHURN), "[" + ", ".join(
                str(port) for port in range(11011, 11030) if port != 11020) + "]")


@need_root
@need_ebpf
class Map(unittest.TestCase):
    # A port is a cell, and the first line of cells has 72. portd's own check of itself leaves others.
    def services(self, portd, *options):
        shown = portd.ctl("map", *options).stdout
        line = next(line for line in shown.splitlines() if line.startswith("11000  "))
        return "".join(line[7 + i] for i in (10, 20, 30))

    def test_now_and_then(self):
        with small_range() as portd:
            with python_child(SERVE, before=portd.inside):
                wait_until(lambda: self.services(portd) in ("###", "@@@"))
                self.assertIn("Ports 11000-11199, now", portd.ctl("map").stdout)
                then = f"@{time.time():.6f}"
                time.sleep(0.05)
            wait_until(lambda: self.services(portd) == "...")
            self.assertIn(self.services(portd, "--at", then), ("###", "@@@"))
            self.assertNotIn(".", self.services(portd, "--by", "churn"))
            self.assertLessEqual({11010, 11020, 11030}, {
                lease["localPort"] for lease in portd.leases("map", "--at", then)})


if __name__ == "__main__":
    unittest.main()
