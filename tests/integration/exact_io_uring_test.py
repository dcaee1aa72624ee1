"""Exact capture of sockets that are used through io_uring."""

import unittest

from harness import Daemon, need_ebpf
from truth import expect_exact


@need_ebpf
class IoUring(unittest.TestCase):
    def test_connect_accept_and_close(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "io-uring")


if __name__ == "__main__":
    unittest.main()
