"""In a machine with systemd: kills and restarts of the unit under load, and the comparison.

    restart_job.py KILLS RESTARTS"""

import os
import pathlib
import random
import subprocess
import sys
import time

from harness import BIN, Daemon, wait_until
from kills import Figures, play_round

# Emulated processors are some thirty times slower: each kind of traffic now and then.
LINES = (
    ("churn", ("--count", "5"), 1),
    ("programs", ("--count", "2", "--parents", "1"), 3),
    ("udp-churn", ("--count", "5"), 1),
    ("binds", (), 5),
)
UNIT = "portd-restart.service"
SECTIONS = """[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStart={command}
Environment=LD_LIBRARY_PATH={libraries}
StandardError=append:{log}
FileDescriptorStoreMax=64
Restart=always
RestartSec=0
TimeoutStartSec=300
"""


def systemctl(*words):
    # The libraries that came with the programs are not the machine's own.
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    return subprocess.run(["systemctl", *words], check=True, stdout=subprocess.PIPE, text=True,
                          env=environment).stdout.strip()


class Unit(Daemon):
    """A portd that systemd runs."""

    def start(self, wait=True):
        command = " ".join(map(str, [BIN / "portd", *self.options]))
        pathlib.Path("/run/systemd/system", UNIT).write_text(SECTIONS.format(
            command=command, libraries=BIN.parent / "lib", log=self.log_path), encoding="utf-8")
        systemctl("daemon-reload")
        systemctl("start", UNIT)
        return self

    def stop(self, *_):
        systemctl("stop", UNIT)

    def is_ready(self):
        return systemctl("show", "-P", "ActiveState", UNIT) == "active" and self.answers()


def kill_and_restart(kills, restarts):
    def disturb(portd, figures):
        acts = [("kill", "--signal=KILL")] * kills + [("restart",)] * restarts
        random.shuffle(acts)
        for act in acts:
            time.sleep(random.uniform(0, 1))
            figures.kills += 1
            figures.during_start += not portd.is_ready()
            systemctl(*act, UNIT)
        wait_until(portd.is_ready, 120, "that portd is ready")
    return disturb


def main():
    kills, restarts = map(int, sys.argv[1:])
    figures = Figures()
    with Unit("--capture", "ebpf", "--ring-size", "16M", interval="1s") as portd:
        play_round(portd, kill_and_restart(kills, restarts), figures, seconds=120,
                   lines=LINES)
        stored = systemctl("show", "-P", "NFileDescriptorStore", UNIT)
        print(f"{kills} systemctl kill -s KILL, {restarts} systemctl restart, {stored} descriptors "
              f"kept: {figures}")
        if not figures.is_good:
            print(*figures.examples, portd.log()[-3000:], sep="\n")
    return 0 if figures.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
