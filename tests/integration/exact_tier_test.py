"""The ebpf tier itself: losses, rights, the kernel's own sockets, what it says of itself."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BIN, NOBODY, Daemon, free_port, need_ebpf, need_root, python_child, wait_until
from truth import compare, expect_exact, play


def balanced(status):
    """The status, once nothing is on its way in the ring; the rest of the machine may be busy."""
    on_the_way = status["eventsIssued"] - status["eventsReceived"] - status["eventsLost"]
    accounted = sum(loss["events"] for loss in status["losses"]) == status["eventsLost"]
    return status if on_the_way == 0 and accounted else None


@need_root
@need_ebpf
class Loss(unittest.TestCase):
    def test_what_finds_no_room_is_counted_told_and_made_up_for(self):
        with Daemon("--capture", "ebpf", "--ring-size", "16K") as portd:
            survivor = socket.create_server(("127.0.0.1", 0))
            portd.process.send_signal(signal.SIGSTOP)
            try:
                truth = play(portd, "churn", "--count", 500)
                unseen = socket.create_server(("127.0.0.1", 0))
                survivor_port = survivor.getsockname()[1]
                survivor.close()
            finally:
                portd.process.send_signal(signal.SIGCONT)
            with unseen:
                wait_until(lambda: portd.status()["eventsLost"] > 0, what="the losses in status")
                portd.wait_samples(3)
                status = wait_until(lambda: balanced(portd.status()), what="issued = received + lost")
                self.assertGreater(status["eventsReceived"], 0)
                losses = {loss["cause"]: loss["events"] for loss in status["losses"]}
                self.assertEqual(losses, {"ringFull": status["eventsLost"]})
                lease, = portd.leases("history", unseen.getsockname()[1])
                self.assertEqual(lease["opened"]["provenance"], "sampled")
                # A look may have found a child of this process, too, before it executed portd-ctl.
                holder, *children = lease["holders"]
                self.assertEqual(holder["pid"], os.getpid())
                self.assertEqual({child["ancestors"][0]["pid"] for child in children} - {os.getpid()},
                                 set())
                gone, = [l for l in portd.leases("history", survivor_port)
                         if l.get("role") == "listener"]
                self.assertIn("freed", gone)
                answer = portd.json("history", unseen.getsockname()[1])[-1]["coverage"]
                self.assertIn("ringFull", [gap["cause"] for gap in answer["gaps"]])
                self.assertFalse(answer["complete"])
            # No socket of the flood is missing, though of many only the end is known: the witness
            # told, in whose queue there was room.
            told = {l["localPort"] for l in portd.leases("history", "--since", "-5min")}
            missing = [l for l in truth.leases if l["localPort"] not in told]
            self.assertEqual(missing, [])

            # One connection after the other leaves room: all is exact again, or the loss of it is
            # told (so small a ring can be full while portd looks at all sockets).
            portd.wait_samples(2)
            exact = 0
            for _ in range(60):
                exact += self.listen_for_a_moment(portd)
                if exact == 20:
                    break
            self.assertEqual(exact, 20)

    def listen_for_a_moment(self, portd):
        """Whether all that there is to it was observed; otherwise its loss must have been told."""
        lost = portd.status()["eventsLost"]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        def outcome():
            leases = [l for l in portd.leases("history", port) if l.get("role") == "listener"
                      and l["opened"]["provenance"] == "observed" and "freed" in l]
            return leases or (portd.status()["eventsLost"] > lost and "lost")
        found = wait_until(outcome)
        if found == "lost":
            return False
        self.assertEqual(found[-1]["opener"]["provenance"], "observed")
        self.assertEqual(found[-1]["closed"]["provenance"], "observed")
        return True


def detach_control_group_hooks(portd):
    """As an administrator can, or another program that makes the control group its own."""
    numbers = []
    for description in pathlib.Path(f"/proc/{portd.process.pid}/fdinfo").iterdir():
        fields = dict(line.split(":\t", 1) for line in description.read_text(encoding="ascii").splitlines()
                      if ":\t" in line)
        if fields.get("link_type") == "cgroup":
            numbers.append(fields["link_id"])
    for number in numbers:
        subprocess.run(["bpftool", "link", "detach", "id", number], check=True)
    return len(numbers)


@need_root
@need_ebpf
@unittest.skipUnless(shutil.which("bpftool"), "bpftool is not installed")
class Misses(unittest.TestCase):
    def test_a_socket_that_no_hook_told_of_makes_a_gap_and_all_are_looked_at(self):
        with Daemon("--capture", "ebpf") as portd:
            portd.wait_samples(3)
            self.assertGreater(detach_control_group_hooks(portd), 8)
            with (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as brief,
                  socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lasting):
                brief.bind(("127.0.0.1", 0))
                lasting.bind(("127.0.0.1", 0))
                ports = [s.getsockname()[1] for s in (brief, lasting)]
                brief.close()
                # A connection of somebody may linger at the same number.
                found = wait_until(lambda: portd.leases("history", ports[1], "--proto", "udp"),
                                   what="a look at all")
            self.assertEqual([holder["pid"] for holder in found[0]["holders"]], [os.getpid()])
            self.assertEqual(found[0]["opened"]["provenance"], "sampled")
            *leases, end = portd.json("history", ports[0], "--proto", "udp")
            self.assertEqual([lease["holders"] for lease in leases], [[]])
            self.assertIn("unseen", [gap["cause"] for gap in end["coverage"]["gaps"]])
            self.assertFalse(end["coverage"]["complete"])
            status = wait_until(lambda: s if not (s := portd.status())["selfCheck"]["passed"] else None,
                                what="the self-check")
            losses = {loss["cause"]: loss["events"] for loss in status["losses"]}
            self.assertGreater(losses["unseen"], 0)
            self.assertEqual(losses["unseen"], status["witnessMisses"])
            self.assertIn("sockets ended whose opening had not been told",
                          portd.ctl("history", ports[0]).stderr)


# Takes a processor for itself, so that the kernel's worker which writes the destroy events of that processor falls behind.
CHURN_BEFORE_ALL_OTHERS = """
import os, socket, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
end = time.monotonic() + 4
count = 0
while time.monotonic() < end:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as brief:
        brief.bind(("127.0.0.1", 0))
    count += 1
print(count)
"""


@need_root
@need_ebpf
class LateWitness(unittest.TestCase):
    def test_an_end_that_was_told_is_no_news_however_late_it_is_heard_of(self):
        with Daemon("--capture", "ebpf", "--ring-size", "64M") as portd:
            churn = subprocess.run([sys.executable, "-c", CHURN_BEFORE_ALL_OTHERS], capture_output=True,
                                   text=True, check=False, timeout=60)
            if "PermissionError" in churn.stderr:
                self.skipTest("no process may run in real time here")
            count = int(churn.stdout)
            if count < 20_000:  # an end was remembered for as many, once
                self.skipTest(f"only {count} sockets in four seconds: this machine is too slow")
            time.sleep(3)
            status = wait_until(lambda: balanced(portd.status()), what="issued = received + lost")
            self.assertEqual(status["witnessMisses"], 0)


@need_root
@need_ebpf
class Rights(unittest.TestCase):
    def run_with(self, capabilities, *options):
        """portd as an ordinary user with these capabilities and no others."""
        folder = Daemon(*options)
        os.chown(folder.folder, NOBODY, NOBODY)
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                   "--inh-caps=-all," + ",".join("+" + c for c in capabilities),
                   "--ambient-caps=-all," + ",".join("+" + c for c in capabilities),
                   "--bounding-set=-all," + ",".join("+" + c for c in capabilities)]
        with open(folder.log_path, "ab") as log:
            folder.process = subprocess.Popen([*command, BIN / "portd", *folder.options],
                                              stderr=log, stdin=subprocess.DEVNULL)
        return folder

    def test_three_capabilities_are_enough_for_an_ordinary_user(self):
        portd = self.run_with(["bpf", "perfmon", "net_admin"], "--capture", "ebpf")
        try:
            wait_until(lambda: portd.answers() or portd.process.poll() is not None)
            self.assertIsNone(portd.process.poll(), portd.log())
            status = portd.status()
            self.assertEqual(status["tier"], "ebpf")
            self.assertTrue(status["selfCheck"]["passed"], status["selfCheck"])
            with open(f"/proc/{portd.process.pid}/status", encoding="ascii") as text:
                fields = dict(line.split(":\t", 1) for line in text.read().splitlines())
            self.assertEqual(fields["CapEff"], "000000c000001000")
            self.assertEqual(fields["Uid"].split()[0], str(NOBODY))
            # Of root's processes too, gone or there before, it knows everything.
            expect_exact(self, portd, "programs", "--count", 50, "--parents", 2)
            expect_exact(self, portd, "holders")
        finally:
            self.assertEqual(portd.close(), 0)

    def test_a_process_that_was_there_before_is_named_by_an_ordinary_user_too(self):
        code = ("import socket\ns = socket.create_server(('127.0.0.1', 0))\n"
                "print(s.getsockname()[1])\ninput()")
        with python_child(code) as (process, port):
            portd = self.run_with(["bpf", "perfmon", "net_admin"], "--capture", "ebpf")
            try:
                wait_until(lambda: portd.answers() or portd.process.poll() is not None)
                lease, = portd.leases("history", port)
                holder, = lease["holders"]
                self.assertEqual(holder["pid"], process.pid)
                self.assertEqual(holder["executable"], os.path.realpath(f"/proc/{process.pid}/exe"))
                self.assertIn("create_server", holder["arguments"])
            finally:
                self.assertEqual(portd.close(), 0)

    def test_a_missing_capability_is_named_and_auto_falls_back(self):
        for missing in ("bpf", "perfmon", "net_admin"):
            kept = [c for c in ("bpf", "perfmon", "net_admin") if c != missing]
            refused = self.run_with(kept, "--capture", "ebpf")
            self.assertEqual(refused.process.wait(20), 77, refused.log())
            self.assertIn("without CAP_" + missing.upper() + ":", refused.log())
            refused.close()
        portd = self.run_with(["net_admin"], "--capture", "auto")
        try:
            wait_until(lambda: portd.answers() or portd.process.poll() is not None)
            status = portd.status()
            self.assertEqual(status["tier"], "sock_diag")
            self.assertIn("not ebpf: ", status["tierReasons"][0])
            self.assertIn("CAP_BPF", status["tierReasons"][0])
        finally:
            self.assertEqual(portd.close(), 0)


@need_root
@need_ebpf
class Tier(unittest.TestCase):
    def test_is_refused_where_processes_have_other_numbers(self):
        portd = Daemon("--capture", "ebpf")
        refused = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", BIN / "portd", *portd.options],
                                 capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(refused.returncode, 77, refused.stderr)
        self.assertIn("PID namespace", refused.stderr)
        portd.close()

    def test_auto_takes_it_and_status_says_how_it_is(self):
        with Daemon() as portd:
            status = portd.status()
            self.assertEqual(status["tier"], "ebpf")
            self.assertEqual(status["tierReasons"], [])
            self.assertTrue(status["selfCheck"]["passed"])
            self.assertEqual(status["witnessMisses"], 0)
            status = wait_until(lambda: balanced(portd.status()), what="issued = received + lost")
            self.assertEqual(status["eventsLost"], 0)
            self.assertGreater(status["eventsIssued"], 10)

    def test_what_ended_before_the_hooks_were_attached_is_no_miss(self):
        with tempfile.TemporaryDirectory() as folder:
            churn = subprocess.Popen([BIN / "ground_truth", "udp-churn", "--count", "1000000",
                                      "--truth", folder + "/truth"], start_new_session=True)
            try:
                with Daemon("--capture", "ebpf") as portd:
                    status = portd.status()
            finally:
                os.killpg(churn.pid, signal.SIGKILL)
                churn.wait()
        self.assertGreater(status["eventsIssued"], 100)
        self.assertEqual(status["witnessMisses"], 0)

    @unittest.skipUnless(shutil.which("bpftool"), "bpftool is not installed")
    def test_it_detaches_cleanly_and_two_live_side_by_side(self):
        def attached():
            with open("/proc/self/mountinfo", encoding="ascii") as mounts:
                root, = [line.split()[4] for line in mounts if " - cgroup2 " in line]
            shown = subprocess.run(["bpftool", "cgroup", "show", root], capture_output=True,
                                   text=True, check=True).stdout
            return shown.count(" portd_")
        before = attached()
        with Daemon("--capture", "ebpf"):
            first = attached()
            self.assertGreater(first, before)
            with Daemon("--capture", "ebpf") as second:
                self.assertEqual(attached() - first, first - before)
                self.assertTrue(second.status()["selfCheck"]["passed"])
        wait_until(lambda: attached() == before, what="every program being gone")

    def test_a_socket_of_the_kernel_is_the_kernels(self):
        with Tunnel("a", "up") as before, Tunnel("b", "down") as after, \
                Daemon("--capture", "ebpf") as portd:
            def holders(tunnel):  # a connection of somebody may linger at the same number
                return [lease for lease in portd.json("who", tunnel.port)[0]["holders"]
                        if lease["protocol"] == "udp"]
            after.set("up")
            for tunnel in (before, after):
                lease, = wait_until(lambda: holders(tunnel))
                self.assertEqual(lease["phase"], "bound")
                self.assertEqual({(h["pid"], h["command"]) for h in lease["holders"]}, {(0, "kernel")})
                self.assertIn("kernel", portd.ctl("who", tunnel.port).stdout)
            self.assertEqual(lease["opener"].get("command"), "kernel")
            for tunnel in (before, after):
                tunnel.set("down")
            for tunnel in (before, after):
                # Not every kernel tells of the end: two snapshots must have missed it.
                wait_until(lambda: not holders(tunnel), 90)


class Tunnel:
    """A device whose UDP port the kernel itself has as long as it is up."""

    def __init__(self, suffix, state):
        self.state = state
        self.name = f"portd{os.getpid() % 10000}{suffix}"
        self.port = free_port(socket.SOCK_DGRAM)

    def __enter__(self):
        added = self.link("add", self.name, "type", "vxlan", "id", str(self.port), "local", "127.0.0.1",
                          "dstport", str(self.port))
        if added.returncode != 0:
            raise unittest.SkipTest(f"no vxlan here: {added.stderr.strip()}")
        self.set(self.state)
        return self

    def __exit__(self, *_):
        self.link("del", self.name)

    def link(self, *words):
        return subprocess.run(["ip", "link", *words], capture_output=True, text=True, check=False)

    def set(self, state):
        self.link("set", self.name, state)


if __name__ == "__main__":
    unittest.main()
