"""Compares what ground_truth wrote down with what portd says, lease by lease and field by field.

A lease of the truth is a line of ground_truth; it is found when the history has one lease of that
socket, and exact when nothing that both know differs. Leases that no line explains are extra."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import time

from harness import BIN, bounds

# The truth is told by the wall clock, the history by the clock of the boot.
SLACK_US = 1000
SHOWN = 5
MOST_PAIRS = 1_000_000
UNMADE = ("refused", "timedOut", "unreachable", "abandoned")


def local_port_range():
    text = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    return tuple(map(int, text.split()))


def is_recorded(port, port_range):
    """Whether portd records the port with its default setting `dynamic`."""
    return 49152 <= port <= 65535 or port_range[0] <= port <= port_range[1]


def unmapped(address):
    return address.removeprefix("::ffff:") if "." in address else address


def connection_of(lease, mirrored=False):
    ends = [(unmapped(lease["localAddress"]), lease["localPort"]),
            (unmapped(lease.get("peerAddress", "")), lease.get("peerPort"))]
    if mirrored:
        ends.reverse()
    return lease["networkNamespace"], *ends


class Truth:
    """What a run of ground_truth did."""

    def __init__(self, lines, port_range=None):
        port_range = port_range or local_port_range()
        leases = [line for line in lines if "event" not in line]
        date_accepted_connections(leases)
        self.leases = [lease for lease in leases if is_recorded(lease["localPort"], port_range)]
        self.unrecorded_ports = {lease["localPort"] for lease in leases} \
            - {lease["localPort"] for lease in self.leases}
        events = [line for line in lines if line.get("event") == "failedBind"]
        self.failed_binds = [event for event in events
                             if is_recorded(event["localPort"], port_range)]
        self.pids = {line["processPid"] for line in lines if line.get("event") == "process"}
        self.skipped = [(line["scenario"], line["reason"]) for line in lines
                        if line.get("event") == "skipped"]
        self.since_us = min((lease["openedBeforeUsec"] for lease in leases), default=0)
        self.until_us = max((lease["closedAfterUsec"] for lease in leases), default=0)
        self.places = {place_of(lease)[:3] for lease in leases}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as lines:
            return cls([json.loads(line) for line in lines])


def date_accepted_connections(leases):
    """An accepted connection began after its client began to connect, which that one noted."""
    clients = collections.defaultdict(list)
    for lease in leases:
        if lease.get("role") == "client":
            clients[connection_of(lease)].append(lease["openedBeforeUsec"])
    for lease in leases:
        if "openedBeforeUsec" in lease:
            continue
        began = [at for at in clients[connection_of(lease, mirrored=True)]
                 if at <= lease["openedAfterUsec"]]
        if not began:
            raise AssertionError(f"an accepted connection without a client: {lease}")
        lease["openedBeforeUsec"] = max(began)


def place_of(lease):
    return (lease["networkNamespace"], lease["protocol"], lease["localPort"],
            lease.get("peerPort"))


def addresses_of(lease):
    return lease.get("localAddress"), lease.get("peerAddress")


def outside(moment, before, after):
    """By how many microseconds the moment misses the span; None: there is no such moment."""
    if not moment:
        return None
    earliest, latest = bounds(moment)
    if earliest is not None and earliest > after + SLACK_US:
        return earliest - after
    if latest is not None and latest < before - SLACK_US:
        return before - latest
    return 0


def span_of(truth, which):
    return truth[which + "BeforeUsec"], truth[which + "AfterUsec"]


def distance(truth, lease):
    """How far the times of the lease are from those of the truth, in microseconds."""
    total = 0
    for which in ("opened", "closed"):
        missed = outside(lease.get(which), *span_of(truth, which))
        total += 3600_000_000 if missed is None else missed
        # Among those that fit, the one in the middle of the span.
        known = [at for at in bounds(lease.get(which) or {}) if at is not None]
        total += sum(abs(at - sum(span_of(truth, which)) // 2) for at in known) / 1e6
    return total


class Differences(list):
    def expect(self, field, expected, got):
        if expected != got:
            self.append(f"{field}: {got!r}, in truth {expected!r}")

    def expect_one_of(self, field, expected, got):
        if got not in expected:
            self.append(f"{field}: {got!r}, in truth one of {expected!r}")


SAME = ("protocol", "family", "localAddress", "localPort", "peerAddress", "peerPort",
        "networkNamespace", "role", "portChoice", "outcome")


def differences(truth, lease, pids):
    """What the lease says otherwise than the truth, as texts."""
    found = Differences()
    for field in SAME:
        found.expect(field, truth.get(field), lease.get(field))
    found.expect("incomplete", False, lease.get("incomplete", False))
    compare_times(truth, lease, found)
    compare_processes(truth, lease, pids, found)
    compare_bytes(truth, lease, found)
    return found


def compare_times(truth, lease, found):
    for which in ("opened", "closed"):
        moment = lease.get(which)
        if not moment:
            found.append(f"{which}: absent")
            continue
        if outside(moment, *span_of(truth, which)):
            found.append(f"{which}: {moment}, in truth within {span_of(truth, which)}")
        # Nobody calls when a connection is accepted by the kernel, or dies in its queue.
        if (which == "opened" and truth.get("role") == "accepted") or "openerPid" not in truth:
            continue
        left_silently = which == "closed" and truth["scenario"] == "udpLeft"
        found.expect(f"{which}.provenance", "sampled" if left_silently else "observed",
                     moment["provenance"])
    found.expect_one_of("phase", ("lingering", "freed"), lease["phase"])
    if lease.get("closed") and lease.get("freed"):
        closed, freed = bounds(lease["closed"])[0], bounds(lease["freed"])[1]
        if None not in (closed, freed) and freed < closed:
            found.append(f"freed: {lease['freed']} before closed: {lease['closed']}")


def compare_processes(truth, lease, pids, found):
    for role in ("opener", "lastHolder"):
        process = lease[role]
        if role + "Pid" not in truth:
            found.expect(f"{role}.provenance", "unknown", process["provenance"])
            continue
        # A connection that waited to be accepted while a process began may be that process's, or its
        # parent's.
        if role == "opener" and truth.get("role") == "accepted" and \
                process["provenance"] == "unknown" and "pid" not in process:
            continue
        found.expect(f"{role}.pid", truth[role + "Pid"], process.get("pid"))
        found.expect(f"{role}.executable", truth[role + "Executable"], process.get("executable"))
        # Nobody is seen to accept without asking for the peer's address, nor to let go of a port that the
        # kernel took back while the socket stayed open.
        is_deduced = (truth.get("role") == "accepted" if role == "opener" else
                      truth.get("outcome") in ("refused", "reset", "timedOut", "unreachable"))
        known = ("observed", "sampled", "inferred") if is_deduced else ("observed",)
        found.expect_one_of(f"{role}.provenance", known, process["provenance"])
    strangers = {holder["pid"] for holder in lease["holders"]} - pids
    if strangers:
        found.append(f"holders: {sorted(strangers)} had nothing to do with it")


def was_looked_at(lease, differing):
    """A snapshot has a reference to each descriptor for a moment. Where it is the last one, the kernel
    lets the port go a little after the close(2), and nobody is seen to close."""
    told = {text.split(":")[0] for text in differing}
    return lease["lastHolder"]["provenance"] == "sampled" and "lastHolder.provenance" in told \
        and told <= {"lastHolder.provenance", "closed"}


def compare_bytes(truth, lease, found):
    sent, received = lease.get("bytesSent"), lease.get("bytesReceived")
    if truth["protocol"] == "udp":
        found.expect("bytes", (None, None), (sent, received))
    elif truth.get("role") not in ("client", "accepted") or truth["outcome"] in UNMADE:
        found.expect_one_of("bytesSent", (None, 0), sent)
        found.expect_one_of("bytesReceived", (None, 0), received)
    else:
        found.expect("bytesSent", truth["bytesSent"], sent)
        # The end of the peer's stream may count as one byte.
        expected = truth["bytesReceived"]
        found.expect_one_of("bytesReceived", (expected, expected + 1), received)


class Comparison:
    """How a history (leases and bind failures) stands to the truth."""

    def __init__(self, truth, history):
        self.truth = truth
        self.exact = 0
        self.missing = []  # leases of the truth
        self.wrong = []  # (of the truth, of the history, differences)
        self.extra = []  # leases of the history
        self.bind_faults = []  # texts
        self.looked_at = 0  # closed while portd looked at its descriptor
        leases = [entry for entry in history if "opened" in entry]
        left = self._pair(truth.leases, leases, lambda lease: (*place_of(lease), addresses_of(lease)))
        # What has other addresses or another peer than in truth is wrong rather than missing.
        left = self._pair(self.missing, left, place_of)
        left = self._pair(self.missing, left, lambda lease: place_of(lease)[:3])
        self.extra = [lease for lease in left if self._is_of_this_run(lease)]
        self._compare_failed_binds([entry for entry in history if "inTheWay" in entry])

    def _pair(self, truths, leases, key):
        """Pairs those that are nearest in time; the leases that are left over."""
        groups = collections.defaultdict(lambda: ([], []))
        for truth in truths:
            groups[key(truth)][0].append(truth)
        for lease in leases:
            groups[key(lease)][1].append(lease)
        self.missing, left = [], []
        for expected, found in groups.values():
            pairs = nearest_pairs(expected, found)
            for truth, lease in pairs:
                self._take(truth, lease)
            self.missing += without(expected, [truth for truth, _ in pairs])
            left += without(found, [lease for _, lease in pairs])
        return left

    def _take(self, truth, lease):
        differing = differences(truth, lease, self.truth.pids)
        if was_looked_at(lease, differing):
            self.looked_at += 1
        elif differing:
            self.wrong.append((truth, lease, differing))
        else:
            self.exact += 1

    def _is_of_this_run(self, lease):
        earliest, latest = bounds(lease["opened"])
        during = (latest is None or latest >= self.truth.since_us) \
            and (earliest is None or earliest <= self.truth.until_us)
        if not during:
            return False
        people = [lease["opener"], lease["lastHolder"], *lease["holders"]]
        pids = {process["pid"] for process in people if "pid" in process}
        if pids:
            return bool(pids & self.truth.pids)
        return place_of(lease)[:3] in self.truth.places

    def _compare_failed_binds(self, failures):
        left = [failure for failure in failures if failure["process"].get("pid") in self.truth.pids]
        for tried in self.truth.failed_binds:
            of_it = [failure for failure in left if is_failure(tried, failure)]
            if len(of_it) != 1:
                self.bind_faults.append(f"{len(of_it)} bind failures for {tried}")
                continue
            left = without(left, of_it)
            self.bind_faults += bind_differences(tried, of_it[0])
        self.bind_faults += [f"bind failure that was none: {failure}" for failure in left]

    @property
    def is_exact(self):
        return not (self.missing or self.wrong or self.extra or self.bind_faults) \
            and self.looked_at <= len(self.truth.leases) // 100

    def summary(self):
        text = (f"{len(self.truth.leases)} leases: {self.exact} exact, {len(self.wrong)} wrong, "
                f"{len(self.missing)} missing, {len(self.extra)} extra")
        if self.looked_at:
            text += f", {self.looked_at} closed while they were looked at"
        if self.truth.failed_binds:
            text += f"; {len(self.truth.failed_binds)} failed binds, {len(self.bind_faults)} faults"
        return text

    def __str__(self):
        lines = [self.summary()]
        kinds = collections.Counter(text.split(":")[0] for *_, texts in self.wrong
                                    for text in texts)
        lines += [f"  {count} times wrong: {field}" for field, count in kinds.most_common()]
        for truth, lease, texts in self.wrong[:SHOWN]:
            lines += [f"wrong ({truth['scenario']}):", *("    " + text for text in texts),
                      f"  truth {json.dumps(truth)}", f"  lease {json.dumps(lease)}"]
        lines += [f"missing: {json.dumps(truth)}" for truth in self.missing[:SHOWN]]
        lines += [f"extra: {json.dumps(lease)}" for lease in self.extra[:SHOWN]]
        return "\n".join(lines + self.bind_faults[:SHOWN])


def without(items, gone):
    ids = {id(item) for item in gone}
    return [item for item in items if id(item) not in ids]


def nearest_pairs(truths, leases):
    """Pairs of a truth and a lease; of all that can be, the nearest in time."""
    if len(truths) * len(leases) in (0, 1):
        return list(zip(truths, leases))
    if len(truths) * len(leases) > MOST_PAIRS:
        # Far from exact: any order will show it.
        return list(zip(truths, leases))
    pairs = sorted(((distance(truth, lease), i, j) for i, truth in enumerate(truths)
                    for j, lease in enumerate(leases)))
    taken_truths, taken_leases, chosen = set(), set(), []
    for _, i, j in pairs:
        if i not in taken_truths and j not in taken_leases:
            taken_truths.add(i)
            taken_leases.add(j)
            chosen.append((truths[i], leases[j]))
    return chosen


def is_failure(tried, failure):
    return all(tried[field] == failure.get(field) for field in
               ("protocol", "family", "localAddress", "localPort", "networkNamespace")) \
        and tried["beforeUsec"] - SLACK_US <= failure["atUsec"] <= tried["afterUsec"] + SLACK_US


def bind_differences(tried, failure):
    found = Differences()
    process = failure["process"]
    found.expect("failed bind: process.pid", tried["processPid"], process.get("pid"))
    found.expect("failed bind: process.executable", tried["processExecutable"],
                 process.get("executable"))
    found.expect("failed bind: process.provenance", "observed", process["provenance"])
    found.expect("failed bind: error", tried["error"], failure.get("error"))
    if "blockerPid" in tried:
        blockers = [lease["lastHolder"].get("pid") or lease["opener"].get("pid")
                    for lease in failure["inTheWay"]]
        found.expect_one_of("failed bind: blocker", blockers, tried["blockerPid"])
    return found


def count(modest, full):
    return full if os.environ.get("PORTD_FULL") else modest


def play(portd, scenario, *options):
    """Runs a scenario of ground_truth; its truth."""
    folder = portd.folder / "played"
    folder.mkdir(exist_ok=True)
    path = folder / f"{scenario}.ndjson"
    run = subprocess.run([BIN / "ground_truth", scenario, "--truth", path, *map(str, options)],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=600)
    if run.returncode != 0:
        raise AssertionError(f"ground_truth {scenario}: {run.returncode}: {run.stderr}")
    return Truth.load(path)


def history_of(portd, truth):
    since = f"@{(truth.since_us - 1_000_000) / 1e6:.6f}"
    return [entry for entry in portd.stream("history", "--since", since) if "localPort" in entry]


def compare(portd, truth, seconds=20):
    """The comparison, as soon as it is exact; at the latest after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = 0.3
    while True:
        time.sleep(pause)
        comparison = Comparison(truth, history_of(portd, truth))
        if comparison.is_exact or time.monotonic() > deadline:
            return comparison
        pause *= 2


def expect_exact(test, portd, scenario, *options):
    """Plays the scenario, and fails the test unless portd knows exactly what happened."""
    truth = play(portd, scenario, *options)
    if not truth.leases:
        test.skipTest("; ".join(f"{skipped}: {reason}" for skipped, reason in truth.skipped))
    for skipped, reason in truth.skipped:
        with test.subTest(skipped):
            test.skipTest(reason)
    comparison = compare(portd, truth)
    print(f"{scenario}: {comparison.summary()}", file=sys.stderr)
    if not comparison.is_exact:
        status = portd.status()
        told = {key: status.get(key) for key in ("tier", "losses", "unseenSockets", "gaps")}
        test.fail(f"{scenario}: {comparison}\nportd: {told}\n{portd.log()[-2000:]}")
    return truth
