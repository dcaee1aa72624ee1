"""Sets the wall clock under a running daemon, and asks it by the times that the clock showed.

The clock is an object with now_us(), the wall time, and step(seconds)."""

import socket
import time

from harness import free_port, wait_until

HOUR = 3600
TEN_YEARS = 3652 * 86400
STEPS = (HOUR, -HOUR, TEN_YEARS, -TEN_YEARS)


class Held:
    """A listener, and when it was opened and closed by the clock that nothing sets."""

    _ports = set()  # none is held twice: history would have both

    def __init__(self):
        while (port := free_port()) in self._ports:
            pass
        self._ports.add(port)
        self.port = port
        before = time.monotonic_ns() // 1000
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self._opened = before, time.monotonic_ns() // 1000

    def close(self):
        before = time.monotonic_ns() // 1000
        self._socket.close()
        self._closed = before, time.monotonic_ns() // 1000

    def length_bounds(self):
        return self._closed[0] - self._opened[1], self._closed[1] - self._opened[0]


def listeners(portd, *arguments):
    """Not the sockets by which free_port() looked for the port."""
    return [lease for lease in portd.leases("history", *arguments)
            if lease.get("role") == "listener"]


def at(portd, port, wall_us):
    """The leases of the answer, and what portd says of that time."""
    *leases, last = portd.json("history", port, "--at", f"@{wall_us / 1e6:.6f}", "--within", "0s")
    return leases, last["coverage"]


def step_and_wait(portd, clock, seconds):
    before = len(portd.status().get("clockSteps", []))
    clock.step(seconds)
    return wait_until(lambda: portd.status().get("clockSteps", [])[before:],
                      what="that the daemon notices the step")[0]


def check_step(test, portd, clock, seconds):
    """One listener across a step, one before it, and one after it."""
    before = Held()
    across = Held()
    portd.wait_samples()
    shown_before = clock.now_us()
    portd.wait_samples()
    before.close()
    step = step_and_wait(portd, clock, seconds)
    portd.wait_samples()
    shown_after = clock.now_us()
    after = Held()
    portd.wait_samples()
    shown_last = clock.now_us()
    across.close()
    after.close()
    portd.wait_samples()

    test.assertAlmostEqual(step["toUsec"] - step["fromUsec"], seconds * 1e6, delta=60e6)
    for held, moments in ((before, (shown_before,)), (across, (shown_before, shown_last)),
                          (after, (shown_last,))):
        for moment in (shown_before, shown_after, shown_last):
            leases, coverage = at(portd, held.port, moment)
            found = [lease["localPort"] for lease in leases]
            if held is across or moment in moments:
                test.assertEqual(found, [held.port], (seconds, moment, coverage))
            else:
                test.assertEqual(found, [], (seconds, moment))
                test.assertTrue(coverage["complete"], coverage)
    check_length(test, portd, across)
    check_length(test, portd, before)
    check_order(test, portd, [before.port, across.port, after.port])
    if seconds > 0:
        check_skipped(test, portd, after.port, (step["fromUsec"] + step["toUsec"]) // 2)


def check_length(test, portd, held):
    lease, = listeners(portd, held.port)
    shortest, longest = held.length_bounds()
    if "usec" in lease["opened"]:  # the kernel and this program read the same clock
        length = lease["closed"]["bootUsec"] - lease["opened"]["bootUsec"]
        test.assertLessEqual(shortest, length)
        test.assertLessEqual(length, longest)
    # What people are shown has no hours and no days in it, wherever the clock was set.
    row = next(line for line in portd.ctl("history", held.port).stdout.splitlines()
               if " listener " in line)
    test.assertRegex(row, r" [~≤]?[0-9.]+m?s +tcp ", row)


def check_order(test, portd, ports):
    listed = [lease["localPort"] for lease in listeners(portd)
              if lease["localPort"] in ports]
    test.assertEqual(listed, ports)
    newest_first = [lease["localPort"] for lease in listeners(portd, "--reverse")
                    if lease["localPort"] in ports]
    test.assertEqual(newest_first, ports[::-1])


def check_skipped(test, portd, port, moment):
    leases, coverage = at(portd, port, moment)
    test.assertEqual(leases, [])
    test.assertFalse(coverage["complete"])
    test.assertEqual([gap["cause"] for gap in coverage["gaps"]], ["clockSet"])
    answer = portd.ctl("history", port, "--at", f"@{moment / 1e6:.6f}")
    test.assertEqual(answer.returncode, 1, answer)
    test.assertIn("never showed", answer.stdout + answer.stderr)


def check_all(test, portd, clock):
    """Every step while the daemon runs; then one while it does not, and what it knew is still there."""
    for seconds in STEPS:
        check_step(test, portd, clock, seconds)
    known = [lease["id"] for lease in portd.leases("history")]
    portd.stop()
    clock.step(-TEN_YEARS)
    portd.start()
    later = Held()
    portd.wait_samples()
    later.close()
    portd.wait_samples()
    listed = portd.leases("history")
    test.assertEqual([lease["id"] for lease in listed][:len(known)], known)
    test.assertIn(later.port, [lease["localPort"] for lease in listed[len(known):]])
    check_length(test, portd, later)
    clock.step(TEN_YEARS)
