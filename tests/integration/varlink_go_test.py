"""A client in another language, with an unmodified library: Go's varlink, as Debian has it."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import Daemon, need_root, varlink

LIBRARY = pathlib.Path("/usr/share/gocode")
SOURCE = pathlib.Path(__file__).resolve().parent / "go_client/main.go"


@need_root
@unittest.skipUnless(shutil.which("go") and (LIBRARY / "src/github.com/varlink/go").exists(),
                     "no Go, or no golang-github-varlink-go-dev")
class GoClient(unittest.TestCase):
    def test_it_speaks_with_the_daemon(self):
        with tempfile.TemporaryDirectory() as folder, Daemon("--ports", "all") as portd, \
                socket.create_server(("127.0.0.1", 0)) as server:
            environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(LIBRARY),
                           "GOCACHE": f"{folder}/cache", "GOFLAGS": "-p=2"}
            subprocess.run(["go", "build", "-o", f"{folder}/client", SOURCE], env=environment,
                           check=True, timeout=280)
            port = server.getsockname()[1]
            portd.wait_samples()
            result = subprocess.run([f"{folder}/client", portd.socket, str(port)], text=True,
                                    capture_output=True, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr)
            told = json.loads(result.stdout)
            self.assertEqual(told["product"], "portd")
            self.assertIn("io.portd.Ports", told["interfaces"])
            self.assertLessEqual({"History", "List", "Who", "Audit", "Status"}, set(told["methods"]))
            holder, = told["who"]
            self.assertEqual(holder["LocalPort"], port)
            self.assertEqual(holder["Opener"]["Pid"], os.getpid())
            self.assertEqual([lease["Id"] for lease in told["history"]], [holder["Id"]])
            self.assertTrue(told["covered"])
            self.assertIn("InvalidParameter", told["refused"])


if __name__ == "__main__":
    unittest.main()
