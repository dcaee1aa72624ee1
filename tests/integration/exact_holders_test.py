"""Exact capture where the opener of a socket is not the one who lets go of it last."""

import unittest

from harness import Daemon, need_ebpf, need_root
from truth import expect_exact


@need_root
@need_ebpf
class Holders(unittest.TestCase):
    def test_fork_descriptor_passing_and_threads(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "holders")

    def test_activation_and_workers(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "activation")

    def test_execve_under_an_open_socket(self):
        with Daemon("--capture", "ebpf") as portd:
            expect_exact(self, portd, "images")

    def test_one_pid_and_one_program_after_another(self):
        with Daemon("--capture", "ebpf") as portd:
            truth = expect_exact(self, portd, "pid-reuse")
            clients = [lease for lease in truth.leases
                       if lease["scenario"] == "pidReuse" and lease["role"] == "client"]
            if clients:
                self.assertEqual(len({lease["openerPid"] for lease in clients}), 1)
                self.assertEqual(len({lease["openerExecutable"] for lease in clients}), 2)


if __name__ == "__main__":
    unittest.main()
