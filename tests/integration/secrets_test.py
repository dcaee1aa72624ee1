"""Secrets in the arguments of processes reach neither the store, nor the log, nor a client."""

import socket
import subprocess
import sys
import time
import unittest

from harness import Daemon, free_port, need_root, wait_until

# Arguments, and what of them must not be found anywhere.
PLANTED = [
    (["--password=Kp7-plain-equals"], "Kp7-plain-equals"),
    (["--password", "Kp7-next-argument"], "Kp7-next-argument"),
    (["--db.password=Kp7-dotted"], "Kp7-dotted"),
    (["DB_PASSWORD=Kp7-variable"], "Kp7-variable"),
    (["-H", "Authorization: Bearer Kp7-bearer-token"], "Kp7-bearer-token"),
    (["--header", "X-Api-Key: Kp7-header-key"], "Kp7-header-key"),
    (["https://user:Kp7-in-url@example.com/x"], "Kp7-in-url"),
    (["postgres://u:Kp7-postgres@h/db"], "Kp7-postgres"),
    (['{"token":"Kp7-json-token"}'], "Kp7-json-token"),
    (["--token=Kp7-token"], "Kp7-token"),
    (["--secret", "Kp7-secret"], "Kp7-secret"),
    (["--client-secret=Kp7-client-secret"], "Kp7-client-secret"),
    (["GITHUB_TOKEN=ghp_0123456789abcdefghijklmnopqrstuvwxyz"], "ghp_0123456789abcdefghij"),
    (["AKIAIOSFODNN7EXAMPLE"], "AKIAIOSFODNN7EXAMPLE"),
    (["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJrcDcifQ.Kp7jwtsignaturevalue"], "Kp7jwtsignaturevalue"),
    (["--session-key=a8F3kd92Lq01ZmX7c4"], "a8F3kd92Lq01ZmX7c4"),
]
HARMLESS = "--visible=harmless-argument"

HOLDER = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"


def everything(portd):
    """All bytes that portd wrote or answered."""
    answers = b""
    for arguments in (["list"], ["history"], ["list", "-o", "wide"], ["history", "-o", "verbose"],
                      ["history", "-o", "csv"], ["--json", "list"], ["--json", "history"]):
        answers += portd.ctl(*arguments).stdout.encode()
    files = {path.name: path.read_bytes() for path in portd.state.rglob("*") if path.is_file()}
    return {"the answers": answers, "the log": portd.log_path.read_bytes(), **files}


@need_root
class Secrets(unittest.TestCase):
    def planted(self, policy):
        """Everything that a daemon with this policy wrote about holders with planted secrets."""
        with Daemon("--arguments", policy, "--ports", "all") as portd:
            holders = []
            for arguments, _ in PLANTED:
                holders.append(subprocess.Popen([sys.executable, "-c", HOLDER, HARMLESS, *arguments],
                                                stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            ports = [int(holder.stdout.readline()) for holder in holders]
            portd.wait_samples()
            known = {lease["localPort"] for lease in portd.leases("list")
                     if lease["opener"].get("pid")}
            self.assertLessEqual(set(ports), known)
            open_state = everything(portd)
            for holder in holders:
                holder.stdin.close()
                holder.stdout.close()
                holder.wait()
            portd.wait_samples()
            closed_state = everything(portd)
            portd.stop()
            stopped = {path.name: path.read_bytes() for path in portd.state.rglob("*")
                       if path.is_file()}
            return [open_state, closed_state, stopped]

    def found(self, states, secret):
        return sorted({name for state in states for name, data in state.items()
                       if secret.encode() in data})

    def test_redacted_hides_every_secret(self):
        states = self.planted("redacted")
        for arguments, secret in PLANTED:
            with self.subTest(arguments):
                self.assertEqual(self.found(states, secret), [])
        # What was searched does hold arguments.
        self.assertIn("the answers", self.found(states, "harmless-argument"))
        self.assertTrue([name for name in self.found(states, "harmless-argument")
                         if name.endswith(".db") or "-wal" in name])

    def test_off_keeps_no_argument(self):
        states = self.planted("off")
        self.assertEqual(self.found(states, "harmless-argument"), [])
        for _, secret in PLANTED:
            self.assertEqual(self.found(states, secret), [])

    # The search finds a secret that is there.
    def test_full_keeps_them(self):
        states = self.planted("full")
        for arguments, secret in PLANTED:
            with self.subTest(arguments):
                self.assertIn("the answers", self.found(states, secret))


if __name__ == "__main__":
    unittest.main()
