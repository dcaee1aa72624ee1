"""Exact capture of how connections begin and end, of both families, and of shared ports."""

import unittest

from harness import Daemon, need_ebpf
from truth import expect_exact


@need_ebpf
class Outcomes(unittest.TestCase):
    def test_closed_reset_and_refused(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "outcomes")

    def test_abandoned_timed_out_and_unreachable(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "silence")

    def test_ipv6_and_dual_stack(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "families")

    def test_several_sockets_at_one_port(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "sharing")


if __name__ == "__main__":
    unittest.main()
