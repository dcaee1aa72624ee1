"""Exact capture of great numbers: connections of one process, and programs with one connection."""

import unittest

from harness import Daemon, need_ebpf
from truth import count, expect_exact


@need_ebpf
class Churn(unittest.TestCase):
    def test_connections_of_one_process(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "churn", "--count", count(3000, 50_000))

    def test_accepted_side_at_a_port_that_is_not_recorded(self):
        with Daemon("--capture", "ebpf") as portd:
            truth = expect_exact(self, portd, "churn", "--count", 200, "--unrecorded-listener")
            self.assertEqual(len(truth.leases), 200)
            port, = truth.unrecorded_ports
            self.assertEqual(portd.leases("history", port), [])

    def test_programs_with_one_connection_each(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "programs", "--count", count(500, 5000), "--parents", 4)


if __name__ == "__main__":
    unittest.main()
