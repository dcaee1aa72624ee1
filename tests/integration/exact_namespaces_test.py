"""Exact capture of several network namespaces."""

import unittest

from harness import Daemon, need_ebpf, need_root
from truth import expect_exact


@need_root
@need_ebpf
class Namespaces(unittest.TestCase):
    def test_the_same_ports_in_three_namespaces_at_once(self):
        with Daemon("--capture", "ebpf") as portd:
            truth = expect_exact(self, portd, "namespaces")
            spaces = {lease["networkNamespace"] for lease in truth.leases}
            if not truth.skipped:
                self.assertEqual(len(spaces), 3)
                self.assertNotIn(portd.status()["networkNamespace"], spaces)


if __name__ == "__main__":
    unittest.main()
