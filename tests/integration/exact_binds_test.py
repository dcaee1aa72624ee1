"""Exact capture of bind(2) and listen(2), with and without success."""

import unittest

from harness import Daemon, need_ebpf
from truth import expect_exact


@need_ebpf
class Binds(unittest.TestCase):
    def test_ports_that_are_bound_and_binds_that_fail(self):
        with Daemon("--capture", "ebpf") as portd:
            truth = expect_exact(self, portd, "binds")
            told = [bind for bind in truth.failed_binds if "blockerPid" in bind]
            self.assertEqual({bind["protocol"] for bind in told}, {"tcp", "udp"})


if __name__ == "__main__":
    unittest.main()
