"""Exact capture of datagram sockets."""

import unittest

from harness import Daemon, need_ebpf
from truth import compare, count, expect_exact, play


@need_ebpf
class Datagrams(unittest.TestCase):
    def test_every_way_to_get_a_port(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "udp")

    def test_short_sockets(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "udp-churn", "--count", count(2000, 20_000))

    def test_questions_of_a_resolver(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "resolver", "--count", count(1000, 20_000))

    def test_ports_that_are_left_without_a_trace(self):
        """connect(2) to AF_UNSPEC gives the port back while the socket stays open, and no hook runs.
        Where connect(2) chose it, not every such lease is found, but what is said is true."""
        with Daemon("--capture", "ebpf") as portd:
            truth = play(portd, "udp-reconnect")
            comparison = compare(portd, truth, seconds=3)
            self.assertEqual((comparison.wrong, comparison.extra), ([], []), str(comparison))
            # The responder, and the socket that ended it, were closed as others are.
            self.assertGreaterEqual(comparison.exact, 2, str(comparison))

    def test_ports_that_are_left_once_they_are_known(self):
        with Daemon("--capture", "ebpf") as portd:
            truth = expect_exact(self, portd, "udp-disconnect")
            self.assert_none_is_open(portd, truth)

    def assert_none_is_open(self, portd, truth):
        ports = {lease["localPort"] for lease in truth.leases}
        left = [lease for lease in portd.leases("list") if lease["localPort"] in ports
                and (lease["opener"].get("pid") in truth.pids)]
        self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
