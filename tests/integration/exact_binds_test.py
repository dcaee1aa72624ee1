"""Exact capture of bind(2) and listen(2), with and without success."""

import contextlib
import json
import re
import unittest

from harness import Daemon, need_ebpf, python_child, wait_until
from supervisor import Supervised
from truth import expect_exact

HOLD = '''
import socket
held = {'tcp': socket.create_server(('127.0.0.1', 0)), 'udp': socket.socket(type=socket.SOCK_DGRAM)}
held['udp'].bind(('127.0.0.1', 0))
print(held['tcp'].getsockname()[1], held['udp'].getsockname()[1])
input()
'''

# Tries to bind what it is told, each with a socket that it keeps, and says how that went.
TRY = '''
import json, socket, sys, time
kept = {}
print()
for line in sys.stdin:
    what, kind, port = line.split()
    if what == 'try':
        one = kept.setdefault(port, socket.socket(type=getattr(socket, kind)))
        before = time.time_ns() // 1000
        try:
            one.bind(('127.0.0.1', int(port)))
            error = None
        except OSError as refusal:
            error = refusal.errno
        print(json.dumps([before, time.time_ns() // 1000, error]))
    else:
        print(json.dumps(kept.pop(port).close()))
'''


def ask(process, *words):
    print(*words, file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


def refusals(portd, port):
    return [entry for entry in portd.json("history", port) if "inTheWay" in entry]


@contextlib.contextmanager
def ports_held():
    with python_child(HOLD) as (holder, ports):
        tcp, udp = map(int, ports.split())
        yield holder, {"SOCK_STREAM": tcp, "SOCK_DGRAM": udp}


@need_ebpf
class Binds(unittest.TestCase):
    def test_ports_that_are_bound_and_binds_that_fail(self):
        with Daemon("--capture", "ebpf") as portd:
            truth = expect_exact(self, portd, "binds")
            told = [bind for bind in truth.failed_binds if "blockerPid" in bind]
            self.assertEqual({bind["protocol"] for bind in told}, {"tcp", "udp"})

    def test_a_refused_bind_is_told_while_the_program_does_nothing_with_the_socket(self):
        with Daemon("--capture", "ebpf") as portd, ports_held() as (holder, ports), \
                python_child(TRY) as (process, _):
            for kind, port in ports.items():
                before, after, error = ask(process, "try", kind, port)
                self.assertTrue(error)
                failure, = wait_until(lambda port=port: refusals(portd, port), what="the refusal")
                self.assertLessEqual(before - 1, failure["atUsec"])
                self.assertLessEqual(failure["atUsec"], after + 1)
                self.assertEqual(failure["error"], "EADDRINUSE")
                self.assertEqual(failure["process"]["pid"], process.pid)
                self.assertEqual([lease["opener"]["pid"] for lease in failure["inTheWay"]],
                                 [holder.pid])
            self.assertIn("Refused", portd.ctl("why", ports["SOCK_STREAM"]).stdout)
            counted = re.search(r"^portd_bind_failures_total (\d+)$", portd.ctl("metrics").stdout,
                                re.MULTILINE)
            self.assertGreaterEqual(int(counted[1]), 2)  # programs elsewhere may fail as well

    def test_each_refused_bind_is_told_once_whatever_the_socket_does_next(self):
        with Daemon("--capture", "ebpf") as portd, ports_held() as (holder, ports), \
                python_child(TRY) as (process, _):
            kind, port = "SOCK_STREAM", ports["SOCK_STREAM"]
            tries = [ask(process, "try", kind, port)]
            wait_until(lambda: refusals(portd, port), what="the refusal")
            for _ in range(2):  # one after the other, which comes before any look
                tries.append(ask(process, "try", kind, port))
            wait_until(lambda: len(refusals(portd, port)) == 3, what="the other two")
            holder.kill()
            holder.wait()
            *_, error = ask(process, "try", kind, port)
            self.assertIsNone(error)
            ask(process, "close", kind, port)
            wait_until(lambda: any(lease["opener"].get("pid") == process.pid and "closed" in lease
                                   for lease in portd.leases("history", port)))
            portd.wait_samples(10)
            told = sorted(entry["atUsec"] for entry in refusals(portd, port))
            self.assertEqual(len(told), 3)
            for (before, after, _), at in zip(tries, told):
                self.assertLessEqual(before - 1, at)
                self.assertLessEqual(at, after + 1)

    def test_a_restart_neither_forgets_nor_repeats_a_refused_bind(self):
        with Supervised("--capture", "ebpf") as portd, ports_held() as (_, ports), \
                python_child(TRY) as (process, _):
            for kind, port in ports.items():
                portd.wait_samples()
                ask(process, "try", kind, port)
                portd.kill()  # before any look
                portd.start()
                wait_until(lambda port=port: refusals(portd, port), what="the refusal")
                portd.kill()
                portd.start()
                ask(process, "close", kind, port)
                portd.wait_samples(8)
                self.assertEqual(len(refusals(portd, port)), 1)
            self.assertEqual(portd.status()["gaps"], [])


if __name__ == "__main__":
    unittest.main()
