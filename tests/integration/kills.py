"""Kills the daemon at random moments while programs open and close ports, and compares what it knows
in the end with what they did."""

import bisect
import contextlib
import dataclasses
import pathlib
import random
import sqlite3
import subprocess
import threading
import time

from harness import BIN, now_us, wait_until
from truth import Comparison, Truth, place_of

# What is played at the same time, each line again and again: scenario, options, seconds between two.
LOAD = (
    ("churn", ("--count", "20"), 0.1),
    ("programs", ("--count", "8", "--parents", "2"), 0.2),
    ("udp-churn", ("--count", "20"), 0.1),
    ("resolver", ("--count", "10"), 0.2),
    ("outcomes", (), 0.5),
    ("udp", (), 0.3),
    ("binds", (), 0.5),
    ("holders", (), 1),
    ("images", (), 1),
    ("sharing", (), 1),
)
SLACK_US = 1_000_000
LATEST_KILL_S = 0.15


@dataclasses.dataclass
class Figures:
    kills: int = 0
    during_start: int = 0  # before the daemon said that it was ready
    sockets: int = 0
    exact: int = 0
    missing: int = 0
    duplicated: int = 0
    wrong: int = 0
    looked_at: int = 0
    bind_faults: int = 0
    unexplained: int = 0  # failed binds of which portd does not say why
    gaps: int = 0
    unbalanced: int = 0  # times that received + lost was not issued
    unsound: int = 0  # files in which integrity_check found something
    examples: list = dataclasses.field(default_factory=list)

    @property
    def is_good(self):
        return not (self.missing or self.duplicated or self.wrong or self.bind_faults or self.gaps
                    or self.unbalanced or self.unsound) and self.sockets > 0

    def take(self, comparison):
        self.sockets += len(comparison.truth.leases)
        self.exact += comparison.exact
        self.missing += len(comparison.missing)
        self.duplicated += len(comparison.extra)
        self.wrong += len(comparison.wrong)
        self.looked_at += comparison.looked_at
        self.bind_faults += len(comparison.bind_faults)
        self.unexplained += comparison.unexplained
        if not is_right(comparison) and len(self.examples) < 10:
            self.examples.append(str(comparison))

    def __str__(self):
        return (f"kills {self.kills} ({self.during_start} before it was ready), "
                f"sockets {self.sockets}: exactly once {self.exact}, missing {self.missing}, "
                f"duplicated {self.duplicated}, wrong {self.wrong}, closed while looked at "
                f"{self.looked_at}; bind faults {self.bind_faults}, "
                f"binds unexplained {self.unexplained}, gaps {self.gaps}, "
                f"unbalanced {self.unbalanced}, unsound files {self.unsound}")


def is_right(comparison):
    """Every start makes a snapshot: of what is closed while it is looked at there may be more."""
    return not (comparison.missing or comparison.wrong or comparison.extra
                or comparison.bind_faults)


class Load:
    """Plays lines like those of LOAD until it is stopped; the truths of what was played."""

    def __init__(self, folder, lines):
        self._folder = pathlib.Path(folder)
        self._folder.mkdir(exist_ok=True)
        self._is_over = threading.Event()
        self._truths = []
        self._faults = []
        self._threads = [threading.Thread(target=self._play, args=one, daemon=True)
                         for one in lines]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def truths(self):
        if self._faults:
            raise AssertionError("\n".join(self._faults))
        return self._truths

    def _play(self, scenario, options, pause):
        number = 0
        while not self._is_over.wait(pause):
            number += 1
            path = self._folder / f"{scenario}-{number}.ndjson"
            run = subprocess.run([BIN / "ground_truth", scenario, "--truth", path, *options],
                                 stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 check=False)
            if run.returncode == 3 and "in use" in run.stderr:
                continue  # it ran into the ports of another, and tells nothing
            if run.returncode != 0:
                self._faults.append(f"ground_truth {scenario}: {run.returncode}: {run.stderr}")
                return
            self._truths.append(Truth.load(path))
            path.unlink()


def kill_at_random(count):
    """So many kills and restarts: while it starts, or a little after it is ready."""
    def disturb(portd, figures):
        for _ in range(count):
            kill_once(portd, figures)
        wait_until(portd.is_ready.is_set, 60, "that portd is ready")
    return disturb


def kill_once(portd, figures):
    if random.random() < 0.5:
        portd.is_ready.wait(20)
        time.sleep(random.uniform(0, LATEST_KILL_S / 2))
    else:
        time.sleep(random.uniform(0, LATEST_KILL_S))
    figures.kills += 1
    figures.during_start += not portd.is_ready.is_set()
    portd.kill()
    if random.random() < 0.2:
        time.sleep(random.uniform(0, 0.05))
    portd.spawn()


def history_between(portd, since_us, until_us):
    return [entry for entry in portd.stream("history", "--since", f"@{since_us / 1e6:.6f}",
                                            "--until", f"@{until_us / 1e6:.6f}")
            if "localPort" in entry]


def pids_of(lease):
    return [process["pid"] for process in (lease["opener"], lease["lastHolder"], *lease["holders"])
            if "pid" in process]


class History:
    """Leases and bind failures by time, to compare truths with their own part of it."""

    def __init__(self, entries):
        self._entries = sorted(((self._when(entry), number, entry)
                                for number, entry in enumerate(entries)))

    @staticmethod
    def _when(entry):
        moment = entry.get("opened") or {"usec": entry["atUsec"]}
        return moment.get("usec") or moment.get("latestUsec") or moment.get("earliestUsec") or 0

    def compare(self, truth):
        first = bisect.bisect_left(self._entries, (truth.since_us - SLACK_US,))
        last = bisect.bisect_right(self._entries, (truth.until_us + SLACK_US,))
        comparison = Comparison(truth, [entry for *_, entry in self._entries[first:last]])
        # What lingers is looked at rarely: a port that somebody else had before may have been free
        # again, for all that portd knows.
        explained = [fault for fault in comparison.bind_faults
                     if not fault.startswith("failed bind: error: None")]
        comparison.unexplained = len(comparison.bind_faults) - len(explained)
        comparison.bind_faults = explained
        return comparison


def compare(portd, truths, since_us, figures, seconds=20):
    """Each with the history, as soon as it is right; at the latest after so many seconds."""
    deadline = time.monotonic() + seconds
    places = {place_of(lease) for truth in truths for lease in truth.leases}
    while truths:
        time.sleep(0.5)
        is_late = time.monotonic() > deadline
        history = History(history_between(portd, since_us, now_us()))
        left = []
        for truth in truths:
            comparison = history.compare(truth)
            # Of whom a lease is that nobody had, the comparison tells by its port: it may be of
            # another that was at the same port.
            comparison.extra = [lease for lease in comparison.extra
                                if pids_of(lease) or place_of(lease) not in places]
            if is_right(comparison) or is_late:
                figures.take(comparison)
            else:
                left.append(truth)
        truths = left


def check_files(portd, figures):
    for path in portd.state.glob("*.db"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                figures.unsound += 1


def check_account(portd, since_us, figures):
    """Of the sequence of events, and of the time."""
    status = portd.status()
    if status["eventsReceived"] + status["eventsLost"] != status["eventsIssued"]:
        wait_until(lambda: portd.status()["samples"] > status["samples"] + 1)
        status = portd.status()
        behind = status["eventsIssued"] - status["eventsReceived"] - status["eventsLost"]
        # What happened since the ring was last read.
        figures.unbalanced += not 0 <= behind < 1000
    coverage = [entry for entry in portd.json("history", "--since", f"@{since_us / 1e6:.6f}",
                                              "--pid", "1") if "coverage" in entry]
    gaps = coverage[-1]["coverage"]["gaps"] if coverage else None
    figures.gaps += len(gaps) if gaps is not None else 1
    if gaps:
        figures.examples.append(f"gaps: {gaps}")


def play_round(portd, disturb, figures, seconds=20, lines=LOAD):
    """Runs disturb(portd, figures) under load, and compares for so long. The daemon runs before and
    after."""
    since_us = now_us()
    with Load(portd.folder / "load", lines) as load:
        disturb(portd, figures)
    compare(portd, load.truths(), since_us - SLACK_US, figures, seconds)
    check_account(portd, since_us, figures)
    check_files(portd, figures)
