"""Exact capture of MPTCP: a process has another socket than the one that has the port."""

import unittest

from harness import Daemon, need_ebpf
from truth import expect_exact


@need_ebpf
class Mptcp(unittest.TestCase):
    def test_bound_listening_connected_and_accepted(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "mptcp")


if __name__ == "__main__":
    unittest.main()
