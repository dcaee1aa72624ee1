"""A portd that systemd runs in the confinement of the shipped unit, with what subprocess.Popen has of it.

PORTD_UNIT names the unit's file; its settings stay, but for those that tie it to the installed service. Tiers
below ebpf get the drop-in that is documented for them, too."""

import os
import pathlib
import re
import subprocess
import time

UNIT_FILE = os.environ.get("PORTD_UNIT")
# Its place and its socket are the test's own; a test says itself when it is to start again.
DROPPED = re.compile(r"^(Requires|After|ExecStart|ExecReload|Restart\w*|StateDirectory\w*|WatchdogSec|"
                     r"FileDescriptorStoreMax|StartLimit\w*|OOMScoreAdjust)=.*\n", re.M)
FALLBACK = pathlib.Path("/usr/share/doc/portd/examples/fallback.conf")
STARTED = 0


def systemctl(*words):
    return subprocess.run(["systemctl", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False).stdout.strip()


def network_namespace(command):
    """Where the command is to run, as a path or None, and the command without nsenter(1)."""
    if command[0] == "nsenter":
        return command[1].removeprefix("--net="), command[2:]
    here, of_systemd = (os.readlink(f"/proc/{pid}/ns/net") for pid in ("self", 1))
    return None if here == of_systemd else f"/proc/{os.getpid()}/ns/net", command


class UnitProcess:
    def __init__(self, command, log_path, folder):
        global STARTED
        STARTED += 1
        self.unit = f"portd-test-{os.getpid()}-{STARTED}.service"
        self.returncode = None
        text = DROPPED.sub("", pathlib.Path(UNIT_FILE).read_text(encoding="utf-8"))
        text = text.split("[Install]")[0]
        if {"sock_diag", "procfs"} & {str(word) for word in command}:
            text += FALLBACK.read_text(encoding="utf-8").split("[Service]\n")[1]
        namespace, command = network_namespace(command)
        if namespace:
            text += f"NetworkNamespacePath={namespace}\n"
        words = " ".join(f'"{word}"' for word in command)
        text += (f"ExecStart={words}\nStandardError=append:{log_path}\nReadWritePaths={folder}\n"
                 "TimeoutStartSec=120\n")
        self.file = pathlib.Path("/run/systemd/system", self.unit)
        self.file.write_text(text, encoding="utf-8")
        systemctl("daemon-reload")
        systemctl("start", "--no-block", self.unit)

    def _show(self):
        return dict(line.split("=", 1) for line in systemctl(
            "show", "-p", "ActiveState", "-p", "MainPID", "-p", "ExecMainCode", "-p",
            "ExecMainStatus", "-p", "Job", self.unit).splitlines())

    @property
    def pid(self):
        return int(self._show()["MainPID"])

    def poll(self):
        if self.returncode is not None:
            return self.returncode
        state = self._show()
        if state["ActiveState"] not in ("inactive", "failed") or state.get("Job", "0") not in ("", "0"):
            return None
        killed = state["ExecMainCode"] in ("2", "3")  # CLD_KILLED, CLD_DUMPED of sigaction(2)
        status = int(state["ExecMainStatus"])
        self.returncode = -status if killed else status
        self.file.unlink()
        systemctl("reset-failed", self.unit)
        return self.returncode

    def send_signal(self, how):
        if self.poll() is None:
            systemctl("kill", "--kill-whom=main", f"--signal={int(how)}", self.unit)

    def wait(self, timeout=120):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.unit, timeout)
            time.sleep(0.05)
        return self.returncode
