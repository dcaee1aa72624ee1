"""The comparer finds what differs: a perfect history passes, and each fault in it is reported."""

import copy
import json
import pathlib
import subprocess
import tempfile
import unittest

from harness import BIN
from truth import Comparison, Truth


def process_of(truth, role):
    if role + "Pid" not in truth:
        return {"provenance": "unknown"}
    return {"provenance": "observed", "pid": truth[role + "Pid"],
            "executable": truth[role + "Executable"]}


def perfect_lease(truth):
    lease = {key: value for key, value in truth.items()
             if not key.endswith(("Usec", "Pid", "Executable")) and key != "scenario"}
    for which in ("opened", "closed"):
        lease[which] = {"usec": truth[which + "AfterUsec"], "provenance": "observed"}
    lease["freed"] = lease["closed"]
    lease["opener"] = process_of(truth, "opener")
    lease["lastHolder"] = process_of(truth, "lastHolder")
    lease["holders"] = [lease[role] for role in ("opener", "lastHolder") if "pid" in lease[role]]
    if truth["protocol"] == "udp":
        lease.pop("bytesSent", None)
        lease.pop("bytesReceived", None)
    return {**lease, "phase": "freed", "incomplete": False}


def perfect_failure(tried, leases):
    blocker = [lease for lease in leases if lease["opener"].get("pid") == tried.get("blockerPid")]
    return {**{key: tried[key] for key in ("protocol", "family", "localAddress", "localPort",
                                           "networkNamespace", "error")},
            "atUsec": tried["afterUsec"], "errorProvenance": "inferred", "inTheWay": blocker,
            "process": {"provenance": "observed", "pid": tried["processPid"],
                        "executable": tried["processExecutable"]}}


def perfect_history(truth):
    leases = [perfect_lease(lease) for lease in truth.leases]
    return leases + [perfect_failure(tried, leases) for tried in truth.failed_binds]


class Comparer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.truths = {}
        for scenario in ("churn", "outcomes", "binds", "sharing", "udp"):
            path = pathlib.Path(folder.name) / scenario
            subprocess.run([BIN / "ground_truth", scenario, "--truth", path, "--count", "50"],
                           check=True, timeout=60, stdin=subprocess.DEVNULL)
            cls.truths[scenario] = Truth.load(path)

    def compare_with(self, scenario, index, change):
        truth = self.truths[scenario]
        history = copy.deepcopy(perfect_history(truth))
        change(history[index])
        return Comparison(truth, history)

    def test_a_perfect_history_is_exact(self):
        for scenario, truth in self.truths.items():
            with self.subTest(scenario):
                comparison = Comparison(truth, perfect_history(truth))
                self.assertTrue(comparison.is_exact, str(comparison))
                self.assertEqual(comparison.exact, len(truth.leases))

    def test_each_field_counts(self):
        index = next(i for i, lease in enumerate(self.truths["churn"].leases)
                     if lease["role"] == "client")
        stranger = {"provenance": "observed", "pid": 1, "executable": "/sbin/init"}
        faults = {"localAddress": "192.0.2.1", "peerAddress": "192.0.2.1", "peerPort": 1,
                  "role": "listener", "portChoice": "explicit", "outcome": "reset",
                  "family": "ipv6", "bytesSent": 1_000_000, "bytesReceived": 1_000_000,
                  "opener": stranger, "lastHolder": stranger, "holders": [stranger],
                  "phase": "connected", "incomplete": True,
                  "opened": {"usec": 1, "provenance": "observed"},
                  "closed": {"usec": 1, "provenance": "observed"}}
        for field, value in faults.items():
            with self.subTest(field):
                comparison = self.compare_with(
                    "churn", index, lambda lease, f=field, v=value: lease.__setitem__(f, v))
                self.assertEqual((len(comparison.wrong), len(comparison.missing)), (1, 0))
                self.assertIn(field, str(comparison))

    def test_what_is_not_observed_is_wrong(self):
        for field in ("opened", "closed", "opener"):
            with self.subTest(field):
                comparison = self.compare_with(
                    "udp", 0, lambda lease, f=field: lease[f].update(provenance="sampled"))
                self.assertIn(f"{field}.provenance", str(comparison))

    def test_more_than_one_in_a_hundred_closed_unseen_is_not_exact(self):
        comparison = self.compare_with(
            "udp", 0, lambda lease: lease["lastHolder"].update(provenance="sampled"))
        self.assertEqual((len(comparison.wrong), comparison.looked_at), (0, 1))
        self.assertFalse(comparison.is_exact)

    def test_a_time_just_beyond_its_span_is_wrong(self):
        def late(lease):
            lease["closed"]["usec"] += 1500
        comparison = self.compare_with("binds", 0, late)
        self.assertEqual(len(comparison.wrong), 1)

    def test_a_holder_of_what_nobody_held_is_wrong(self):
        truth = self.truths["outcomes"]
        index = next(i for i, lease in enumerate(truth.leases) if "openerPid" not in lease)
        a_pid = next(iter(truth.pids))
        comparison = self.compare_with(
            "outcomes", index,
            lambda lease: lease.update(lastHolder={"provenance": "observed", "pid": a_pid}))
        self.assertEqual(len(comparison.wrong), 1)

    def test_missing_and_extra(self):
        for scenario, truth in self.truths.items():
            with self.subTest(scenario):
                history = perfect_history(truth)
                comparison = Comparison(truth, history[1:])
                self.assertEqual((len(comparison.missing), len(comparison.extra)), (1, 0))
                comparison = Comparison(truth, history + [copy.deepcopy(history[0])])
                self.assertEqual((len(comparison.missing), len(comparison.extra)), (0, 1))
                nobodys = {**history[0], "opener": {"provenance": "unknown"}, "holders": [],
                           "lastHolder": {"provenance": "unknown"}}
                comparison = Comparison(truth, history + [nobodys])
                self.assertFalse(comparison.is_exact)

    def test_failed_binds(self):
        truth = self.truths["binds"]
        first = len(truth.leases)
        self.assertGreaterEqual(len(truth.failed_binds), 2)
        for fault in ({"atUsec": 1}, {"error": None}, {"process": {"provenance": "unknown"}}):
            with self.subTest(json.dumps(fault)):
                comparison = self.compare_with("binds", first,
                                               lambda failure, f=fault: failure.update(f))
                self.assertTrue(comparison.bind_faults)

    def test_a_blocker_that_is_not_named(self):
        truth = self.truths["binds"]
        index = len(truth.leases) + next(i for i, tried in enumerate(truth.failed_binds)
                                         if "blockerPid" in tried)
        comparison = self.compare_with("binds", index,
                                       lambda failure: failure.update(inTheWay=[]))
        self.assertIn("blocker", str(comparison))


if __name__ == "__main__":
    unittest.main()
