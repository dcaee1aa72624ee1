"""Fills the disk under a daemon at random moments, and compares its history with what was really there.

The state directory is a small tmpfs of its own, so root is needed."""

import contextlib
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness import Daemon, now_us, wait_until

SO_COOKIE = 57
DISK = 24 << 20
SLACK_US = 300_000  # between two commits


class Sockets(threading.Thread):
    """Opens and closes UDP sockets, and notes the cookie and the time of each."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen = []  # (cookie, bound at, closed at)
        self._over = threading.Event()

    def run(self):
        while not self._over.wait(0.003):
            began = now_us()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.bind(("127.0.0.1", 0))
                cookie = int.from_bytes(one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little")
            self.seen.append((str(cookie), began, now_us()))

    def stop(self):
        self._over.set()
        self.join()


@contextlib.contextmanager
def small_disk(folder):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=777", "portd-test", folder],
                   check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class Figures:
    def __init__(self):
        self.fillings = self.refusing = self.restarts = self.sockets = 0
        self.in_gaps = self.missing = self.twice = self.untrue = self.told = 0

    @property
    def is_good(self):
        return not self.missing and not self.twice and not self.untrue and self.refusing > 0

    def __str__(self):
        return (f"{self.fillings} fillings, {self.refusing} of them met by a commit, "
                f"{self.restarts} restarts on a full disk; {self.sockets} sockets, "
                f"{self.missing} missing, {self.twice} twice, {self.in_gaps} in declared gaps; "
                f"{self.untrue} answers that did not say so; {self.told} lines of log about it")


def fill(folder, left):
    """All of the room but so many bytes."""
    with open(folder / "filler", "wb", buffering=0) as filler:
        with contextlib.suppress(OSError):
            while True:
                filler.write(bytes(1 << 16))
        with contextlib.suppress(OSError):
            filler.truncate(max(0, filler.tell() - left))


def failure(portd):
    """What the daemon says about a store that takes nothing."""
    return [reason for reason in portd.status()["tierReasons"]
            if reason.startswith("nothing can be stored")]


def check_answers(portd, figures):
    """While nothing can be stored, no answer about now claims to be complete."""
    if not failure(portd):
        return
    figures.refusing += 1
    coverage = portd.json("history", "--since", "-1s")[-1]["coverage"]
    lasting = [gap for gap in coverage["gaps"]
               if gap["cause"] == "storeFailed" and gap.get("untilUsec") is None]
    if failure(portd) and (coverage["complete"] or not lasting):
        figures.untrue += 1


def fill_at_random(portd, figures, dice):
    time.sleep(dice.uniform(0, 0.6))
    fill(portd.state, dice.choice([0, 0, 4096, 65536, 1 << 20]))
    figures.fillings += 1
    time.sleep(dice.uniform(0.2, 1.5))
    if dice.random() < 0.25:
        portd.stop(signal.SIGKILL)
        portd.start()
        figures.restarts += 1
        time.sleep(0.5)
    check_answers(portd, figures)
    (portd.state / "filler").unlink()
    wait_until(lambda: not failure(portd), 60, "storing again")


def is_in(gap, began, ended):
    since = gap.get("sinceUsec")
    until = gap.get("untilUsec")
    return ((since is None or ended >= since - SLACK_US)
            and (until is None or began <= until + SLACK_US))


def compare(portd, sockets, since_us, until_us, figures):
    rows = portd.json("history", "--since", f"@{since_us / 1e6:.6f}", "--until",
                      f"@{until_us / 1e6:.6f}")
    gaps = rows[-1]["coverage"]["gaps"]
    found = {}
    for row in rows:
        if "opened" in row:
            found[row.get("cookie")] = found.get(row.get("cookie"), 0) + 1
    for cookie, began, ended in sockets:
        if began < since_us + SLACK_US or ended > until_us - SLACK_US:
            continue
        figures.sockets += 1
        count = found.get(cookie, 0)
        figures.twice += count > 1
        if count == 0 and any(is_in(gap, began, ended) for gap in gaps):
            figures.in_gaps += 1
        elif count == 0:
            figures.missing += 1


def play(fillings, figures, dice):
    """So many fillings of one disk."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="portd-disk."))
    try:
        with small_disk(folder / "state"):
            portd = Daemon("--capture", "ebpf", "--ring-size", "16M", folder=folder).start()
            sockets = Sockets()
            try:
                portd.wait_samples()
                since = now_us()
                sockets.start()
                for _ in range(fillings):
                    fill_at_random(portd, figures, dice)
                sockets.stop()
                until = now_us()
                portd.wait_samples()
                compare(portd, sockets.seen, since, until, figures)
                status = portd.stop()
                figures.told += portd.log().count("cannot store what is seen")
                if status != 0:
                    raise AssertionError(f"portd ended with {status}:\n{portd.log()[-4000:]}")
            except BaseException:
                print(portd.log()[-4000:])
                raise
            finally:
                portd.stop(signal.SIGKILL)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
