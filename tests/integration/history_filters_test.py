"""Every filter of history and list on real traffic, against a plain scan over all that history has."""

import contextlib
import ipaddress
import itertools
import os
import pathlib
import random
import re
import shutil
import subprocess
import unittest

from harness import (NOBODY, Daemon, bounds, free_port, need_ebpf, need_root, network_namespace,
                     python_child, wait_until)

CONTAINER = "c0ffee" + "0123456789abcdef" * 3 + "0123456789"
MARKED = "portd-filter-program"
PYTHON = "/usr/bin/python3"  # that any user can run

# A listener with a connection of both families, a refused connection, a datagram socket.
TRAFFIC = """
import socket, time
def pair(family, address, listening, connecting, seconds):
    server = socket.socket(family)
    server.bind((address, listening))
    server.listen()
    client = socket.socket(family)
    client.bind((address, connecting))
    client.connect((address, listening))
    accepted, _ = server.accept()
    time.sleep(seconds)
    for one in client, accepted, server:
        one.close()
pair(socket.AF_INET, "127.0.0.1", {ports}[0], {ports}[1], 0.5)
pair(socket.AF_INET6, "::1", {ports}[2], {ports}[3], 0)
refused = socket.socket()
refused.bind(("127.0.0.1", {ports}[4]))
try:
    refused.connect(("127.0.0.1", {ports}[0]))
except ConnectionRefusedError:
    refused.close()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", {ports}[5]))
datagrams.close()
print("done")
input()
"""


@contextlib.contextmanager
def control_group():
    """One of a service with a container in it; yields (service, path)."""
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    root, = [line.split()[4] for line in mounts if " - cgroup2 " in line]
    service = f"portd-filter-{os.getpid()}.service"
    path = pathlib.Path(root) / service / CONTAINER
    path.mkdir(parents=True)
    try:
        yield service, path
    finally:
        wait_until(lambda: not (path / "cgroup.procs").read_text(), what="an empty control group")
        path.rmdir()
        path.parent.rmdir()


def free_ports(count):
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return sorted(ports)


def any_holder(condition):
    return lambda lease: [h for h in lease["holders"] if condition(h)]


def always(lease):
    return lease["holders"] or [None]


def near(address_text, network, port=None):
    """Whether the address lies in the network; v4-mapped addresses are those of IPv4."""
    if address_text is None:
        return False
    address = ipaddress.ip_address(address_text)
    address = getattr(address, "ipv4_mapped", None) or address
    return address in ipaddress.ip_network(network, strict=False)


def span_of(lease):
    """(shortest, longest) for which it can have been held, in microseconds."""
    opened, closed = bounds(lease["opened"]), bounds(lease["closed"])
    return closed[0] - opened[1], closed[1] - opened[0]


@need_root
@need_ebpf
class Filters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        try:
            cls.fill()
        except BaseException:
            cls.stack.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    @classmethod
    def fill(cls):
        # Before portd looks: the search binds the ports, too, and a name holds from when it is read.
        ports = free_ports(18)
        cls.netns = cls.stack.enter_context(network_namespace(f"portd-filter-{os.getpid()}"))
        cls.portd = cls.stack.enter_context(Daemon("--capture", "ebpf"))
        folder = cls.portd.folder
        program = folder / MARKED
        shutil.copy(os.path.realpath(PYTHON), program)
        os.chmod(program, 0o755)
        cls.service, group = cls.stack.enter_context(control_group())
        cls.program = str(program)
        cls.ports = set(ports)
        cls.marked_ports = set(ports[:6])
        environment = {**os.environ, "PYTHONHOME": "/usr"}

        def join_group():
            (group / "cgroup.procs").write_text(str(os.getpid()))
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

        def traffic(command, first, **keywords):
            code = TRAFFIC.replace("{ports}", str(ports[first:first + 6]))
            child = subprocess.Popen([*command, "-c", code], stdout=subprocess.PIPE,
                                     stdin=subprocess.PIPE, text=True, **keywords)
            assert child.stdout.readline() == "done\n"
            child.communicate("\n")
            return child.pid

        cls.pid = traffic([program], 0, preexec_fn=join_group, env=environment)
        traffic([PYTHON], 6)
        traffic(["ip", "netns", "exec", cls.netns, PYTHON], 12)
        cls.all = wait_until(cls.everything_closed, what="the end of every lease")

    @classmethod
    def everything_closed(cls):
        leases = cls.mine(cls.portd.leases("history"))
        roles = {(l["localPort"], l.get("role")) for l in leases}
        named = [l for l in leases if l.get("networkNamespaceName") == cls.netns]
        return leases if (len(roles) == 24 and len(named) == 8 and
                          all("closed" in l for l in leases)) else None

    @classmethod
    def mine(cls, leases):
        return [l for l in leases if l["localPort"] in cls.ports]

    def filters(self):
        """(arguments, the holders that match or None for a lease without holders)."""
        inode = next(l["networkNamespace"] for l in self.all
                     if l.get("networkNamespaceName") == self.netns)
        listener = min(self.marked_ports)

        def lease_is(condition):
            return lambda lease: always(lease) if condition(lease) else []

        of_program = any_holder(lambda h: h.get("executable") == self.program)
        of_unit = any_holder(lambda h: h.get("unit") == self.service)
        of_container = any_holder(lambda h: h.get("container") == CONTAINER)
        of_user = lease_is(lambda l: l["uid"] == NOBODY)

        def peer(network, port=None):
            return lease_is(lambda l: near(l.get("peerAddress"), network) and
                            port in (None, l["peerPort"]))

        return [
            (["--proto", "udp"], lease_is(lambda l: l["protocol"] == "udp")),
            (["--pid", self.pid], any_holder(lambda h: h["pid"] == self.pid)),
            (["--exe", self.program], of_program),
            (["--exe", MARKED], of_program),
            (["--comm", MARKED[:15]], any_holder(lambda h: h.get("command") == MARKED[:15])),
            (["--unit", self.service], of_unit),
            (["--unit", self.service.removesuffix(".service")], of_unit),
            (["--container", CONTAINER], of_container),
            (["--container", CONTAINER[:4]], of_container),
            (["--user", NOBODY], of_user),
            (["--user", "nobody"], of_user),
            (["--netns", inode], lease_is(lambda l: l["networkNamespace"] == inode)),
            (["--netns", self.netns],
             lease_is(lambda l: l.get("networkNamespaceName") == self.netns)),
            (["--peer", "127.0.0.1"], peer("127.0.0.1")),
            (["--peer", f"127.0.0.1:{listener}"], peer("127.0.0.1", listener)),
            (["--peer", "127.0.0.0/8"], peer("127.0.0.0/8")),
            (["--peer", "[::1]"], peer("::1")),
            (["--peer", "::/0"], peer("::/0")),
            (["--peer", f":{listener}"], lease_is(lambda l: l.get("peerPort") == listener)),
            (["--local", "::1"], lease_is(lambda l: near(l["localAddress"], "::1"))),
            (["--role", "listener"], lease_is(lambda l: l.get("role") == "listener")),
            (["--role", "accepted"], lease_is(lambda l: l.get("role") == "accepted")),
            (["--outcome", "refused"], lease_is(lambda l: l.get("outcome") == "refused")),
            (["--shorter-than", "100ms"], lease_is(lambda l: span_of(l)[0] < 100_000)),
            (["--longer-than", "400ms"], lease_is(lambda l: span_of(l)[1] > 400_000)),
        ]

    def expect(self, chosen, *more):
        arguments = [str(a) for options, _ in chosen for a in options]
        expected = []
        for lease in self.all:
            matching = [{str(h) for h in holders(lease)} for _, holders in chosen]
            if matching and set.intersection(*matching):
                expected.append(lease["id"])
        found = [l["id"] for l in self.mine(self.portd.leases("history", *arguments, *more))]
        self.assertEqual(found, expected[::-1] if more else expected, arguments)
        return expected

    def test_each_alone(self):
        for one in self.filters():
            found = self.expect([one])
            self.assertTrue(found, f"{one[0]} should match something")
            self.assertLess(len(found), len(self.all), f"{one[0]} should not match all")
            self.expect([one], "--reverse")

    def test_random_combinations(self):
        seed = random.randrange(1 << 32)
        chooser = random.Random(seed)
        filters = self.filters()
        for _ in range(60):
            chosen = {f[0][0]: f for f in chooser.sample(filters, chooser.choice([2, 2, 3]))}
            with self.subTest(seed=seed):
                self.expect(list(chosen.values()))

    def test_an_answer_goes_on_behind_each_of_its_cursors(self):
        for order in [], ["--reverse"]:
            rows = [o for o in self.portd.json("history", "--user", "nobody", "--show-cursor", *order)
                    if "opened" in o]
            self.assertGreater(len(rows), 5)
            for count, row in enumerate(rows, 1):
                rest = self.portd.leases("history", "--user", "nobody", "--show-cursor",
                                         "--cursor", row["cursor"])
                self.assertEqual(rest, rows[count:])

    def test_the_newest_come_oldest_first_and_behind_them_what_is_older(self):
        whole = self.portd.leases("history", "--user", "nobody")
        rows = [o for o in self.portd.json("history", "--user", "nobody", "--reverse")
                if "opened" in o or "atUsec" in o][::-1]
        self.assertGreater(len(rows), 5)
        for count in range(1, len(rows) + 2):
            told = self.portd.json("history", "--user", "nobody", "--limit", count)
            self.assertEqual(told[:-1], rows[-count:])
            older = self.portd.json("history", "--user", "nobody", "--cursor", told[-1]["cursor"])
            self.assertEqual(older[:-1], rows[:-count][::-1])
        self.assertEqual([row for row in rows if "opened" in row], whole)

    def test_a_page_after_the_other(self):
        whole = [l["id"] for l in self.portd.leases("history", "--unit", self.service, "--reverse")]
        pages, cursor = [], []
        while True:
            told = self.portd.ctl("history", "--unit", self.service, "--limit", "2", "--accepted",
                                  "--reverse", "--show-cursor", *cursor)
            if told.returncode == 1:
                self.assertIn("Nothing comes after that cursor", told.stdout)
                break
            cursor = ["--cursor", re.search(r"^-- cursor: (.*)$", told.stdout, re.M)[1]]
            pages.append(told.stdout)
        self.assertEqual(len(pages), (len(whole) + 1) // 2)

    def test_a_user_is_answered_from_the_sockets_of_that_user(self):
        mine = self.portd.leases("history", "--unit", self.service, user=NOBODY)
        self.assertEqual({l["localPort"] for l in mine}, self.marked_ports)
        self.assertFalse(self.portd.leases("history", "--comm", "python3", user=NOBODY))

    def test_what_matches_nothing_is_said(self):
        told = self.portd.ctl("history", "--unit", "no-such", "--exe", "nothing")
        self.assertEqual(told.returncode, 1)
        self.assertIn("No lease of any port matches all filters", told.stdout)

    def test_list_has_the_filters_of_history(self):
        port, other = free_ports(2)
        code = ("import socket; s = socket.socket(); s.bind(('127.0.0.1', {})); s.listen();"
                "print(1); input()")
        with python_child(code.format(port)) as (child, _), python_child(code.format(other)):
            for options in (["--pid", child.pid], ["--role", "listener", "--pid", child.pid],
                            ["--local", "127.0.0.1", "--port", port],
                            ["--longer-than", "1us", "--port", port]):
                found = wait_until(lambda: self.portd.leases("list", *options), what=str(options))
                self.assertEqual([l["localPort"] for l in found], [port])
            self.assertFalse(self.portd.leases("list", "--port", port, "--longer-than", "1h"))
            self.assertFalse(self.portd.leases("list", "--port", port, "--peer", "::/0"))


if __name__ == "__main__":
    unittest.main()
