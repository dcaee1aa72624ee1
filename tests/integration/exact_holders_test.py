"""Exact capture where the opener of a socket is not the one who lets go of it last."""

import os
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import Daemon, free_port, need_ebpf, need_root, now_us, wait_until
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

    # Each look finds some amid an execve(2), with the memory of the new program and the name of the old one.
    def test_programs_that_execute_each_other_without_end(self):
        # Where the machine is busy with other things as well, portd gets its turn late, and none of it may be lost.
        with Daemon("--capture", "ebpf", "--ring-size", "64M", interval="100ms") as portd:
            since_us = now_us()
            chains = [alternate(portd.folder) for _ in range(20)]
            time.sleep(8)
            for chain in chains:
                chain.kill()
                chain.wait()
            pids = {chain.pid for chain in chains}

            def found():
                return [holder for lease in portd.leases("history", "--since", f"@{since_us / 1e6}")
                        for holder in (lease["opener"], lease["lastHolder"], *lease["holders"])
                        if holder.get("pid") in pids and "executable" in holder]
            # How many looks there are depends on how busy the machine is; each socket had a last holder.
            wait_until(lambda: len(found()) >= 15, 20, "enough holders")
            # A child that has not executed anything yet is neither.
            pairs = [(holder["command"], os.path.basename(holder["executable"])) for holder in found()]
            mixed = [pair for pair in pairs if pair[0] != pair[1] and {"one", "other"} & set(pair)]
            self.assertEqual(mixed, [])

    # While the socket is open: who looks at it then must not be told of a process that is gone.
    def test_heirs_of_who_let_go(self):
        for does_the_opener_live in (False, True):
            with self.subTest(does_the_opener_live=does_the_opener_live), \
                    Daemon("--capture", "ebpf") as portd:
                port = free_port()
                opener, heir = fork_an_heir(port, does_the_opener_live)
                try:
                    def heir_is_named():
                        holders = portd.json("who", str(port))[0]["holders"]
                        return [lease["lastHolder"].get("pid") for lease in holders] == [heir]
                    wait_until(heir_is_named, 40, "the heir of the socket")
                    lease, = portd.json("who", str(port))[0]["holders"]
                    self.assertEqual(lease["opener"]["pid"], opener)
                    self.assertIn(f"[{heir}]", portd.ctl("who", str(port)).stdout)
                    found = portd.leases("history", str(port), "--pid", str(heir))
                    self.assertEqual([lease["id"] for lease in found], [lease["id"]])
                finally:
                    os.kill(heir, signal.SIGKILL)
                    if does_the_opener_live:
                        os.kill(opener, signal.SIGKILL)
                        os.waitpid(opener, 0)


def alternate(folder):
    """Two programs that execute each other under an open socket."""
    programs = [str(folder / name) for name in ("one", "other")]
    for program in programs:
        if not os.path.exists(program):
            shutil.copy("/bin/sh", program)
    scripts = [f"""exec '{programs[1]}' -c "$2" - "$1" "$2" """, f"""exec '{programs[0]}' -c "$1" - "$1" "$2" """]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inherited:
        inherited.bind(("127.0.0.1", 0))
        return subprocess.Popen([programs[0], "-c", scripts[0], "-", *scripts],
                                pass_fds=[inherited.fileno()])


def fork_an_heir(port, does_the_opener_live):
    """A process that listens and forks, and then ends or closes its socket, and its child, which has it."""
    told, tell = os.pipe()
    opener = os.fork()
    if opener == 0:
        listener = socket.socket()
        listener.bind(("127.0.0.1", port))
        listener.listen()
        if heir := os.fork():
            listener.close()
            os.write(tell, str(heir).encode())
            if does_the_opener_live:
                signal.pause()
            os._exit(0)
        signal.pause()
    heir = int(os.read(told, 16))
    os.close(told)
    os.close(tell)
    if not does_the_opener_live:
        os.waitpid(opener, 0)
    return opener, heir


if __name__ == "__main__":
    unittest.main()
