"""portd-ctl watch and export: on real traffic, cut off and resumed, and for other programs."""

import collections
import contextlib
import json
import random
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

from harness import BIN, Daemon, free_port, python_child, wait_until

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: no TIME_WAIT


class Load:
    """Sockets that come and go, until the end of the block."""

    def __enter__(self):
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self._threads = [threading.Thread(target=work) for work in (self._connect, self._datagrams)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _connect(self):
        while not self._stop.wait(0.003):
            with socket.create_connection(self._listener.getsockname()) as client:
                server, _ = self._listener.accept()
                server.close()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def _datagrams(self):
        while not self._stop.wait(0.003):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.bind(("127.0.0.1", 0))


class Stream:
    """A portd-ctl that follows; what it prints, line by line."""

    def __init__(self, portd, *arguments):
        self.process = subprocess.Popen([BIN / "portd-ctl", "--socket", portd.socket,
                                         *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def until(self, condition):
        """The first object that meets the condition."""
        for line in self.process.stdout:
            if condition(found := json.loads(line)):
                return found
        raise AssertionError(f"portd-ctl ended: {self.process.stderr.read()}")

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.process.wait(20)


class Consumer:
    """Follows, is killed at any moment, and goes on after the last line that arrived whole."""

    def __init__(self, portd, *arguments):
        self.portd = portd
        self.arguments = arguments
        self.cursor = None
        self.seen = collections.Counter()
        self.gaps = []
        self.runs = 0

    def _command(self, *more):
        after = ("--after-cursor", self.cursor) if self.cursor else ()
        return [BIN / "portd-ctl", "--socket", self.portd.socket, "--json", *self.arguments, *more,
                *after]

    def _take(self, line):
        if not line.endswith(b"\n"):
            return  # cut off
        entry = json.loads(line)
        self.cursor = entry.get("cursor", self.cursor)
        if "gap" in entry:
            self.gaps.append(entry["gap"]["cause"])
        if "lease" in entry:
            self.seen[entry.get("event", "ended"), entry["lease"]["id"]] += 1

    def run_for(self, seconds):
        """Whatever ends it: the kill, or the daemon's end."""
        self.runs += 1
        with subprocess.Popen(self._command(), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as client:
            killer = threading.Timer(seconds, client.kill)
            killer.start()
            try:
                for line in client.stdout:
                    self._take(line)
            finally:
                killer.cancel()
                client.kill()

    def take_rest(self, is_whole):
        """Goes on until it has all, or for some seconds."""
        for _ in range(15):
            self.run_for(2)
            if is_whole(self):
                return


def of_event(consumer, event):
    return collections.Counter({lease: count for (what, lease), count in consumer.seen.items()
                                if what == event})


class Watch(unittest.TestCase):
    def test_shows_what_is_open_and_what_happens_and_stops_when_told(self):
        port = free_port()
        with Daemon() as portd, socket.create_server(("127.0.0.1", port)) as listener:
            portd.wait_samples()
            with Stream(portd, "--json", "watch", "--port", port) as watch:
                at_first = watch.until(lambda entry: True)
                self.assertEqual(at_first["event"], "open")
                self.assertEqual(at_first["lease"]["localPort"], port)
                self.assertEqual(watch.until(lambda entry: True)["event"], "ready")
                with socket.create_connection(("127.0.0.1", port)):
                    listener.accept()[0].close()
                    opened = watch.until(lambda entry: entry["event"] == "opened")
                    self.assertEqual(opened["lease"]["role"], "accepted")
                listener.close()
                ended = watch.until(lambda entry: entry["event"] == "ended"
                                    and entry["lease"]["id"] == at_first["lease"]["id"])
                self.assertEqual(ended["lease"]["phase"], "freed")
                self.assertEqual(watch.stop(), 0)

    def test_a_table_and_a_pipe_that_is_closed(self):
        with Daemon() as portd:
            portd.wait_samples()
            with Stream(portd, "watch") as watch:
                self.assertTrue(watch.process.stdout.readline().startswith("EVENT"))
                watch.process.stdout.close()
                # Whether it was waiting for the next row, or writing one.
                self.assertIn(watch.process.wait(20), (141, -signal.SIGPIPE))
                watch.process.stdout = open("/dev/null")  # for the end of the block

    def test_the_end_of_the_daemon_is_an_error_that_says_how_to_go_on(self):
        with Daemon() as portd:
            portd.wait_samples()
            with Stream(portd, "--json", "watch") as watch:
                ready = watch.until(lambda entry: entry["event"] == "ready")
                portd.stop()
                self.assertEqual(watch.process.wait(20), 3)
                self.assertIn("go on with --after-cursor " + ready["cursor"][:3],
                              watch.process.stderr.read())


class CutOff(unittest.TestCase):
    def freed_in_history(self, portd):
        return {lease["id"] for lease in portd.leases("history") if lease["phase"] == "freed"}

    def follow(self, consumer, portd, seconds):
        """Cuts the consumer off at random, and in between the daemon as well."""
        end = time.monotonic() + seconds
        with contextlib.suppress(AssertionError):
            while time.monotonic() < end:
                consumer.run_for(random.uniform(0.05, 1.2))
        return consumer

    def play(self, consumers, portd):
        with Load():
            threads = [threading.Thread(target=self.follow, args=(one, portd, 12))
                       for one in consumers]
            for thread in threads:
                thread.start()
            for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                time.sleep(random.uniform(2, 3.5))
                portd.stop(how)
                portd.start()
            for thread in threads:
                thread.join()

    def test_every_lease_comes_once(self):
        with Daemon() as portd:
            portd.wait_samples()
            exporting = Consumer(portd, "export", "--follow")
            watching = Consumer(portd, "watch")
            wait_until(lambda: self.follow(watching, portd, 0.5).cursor, what="a cursor")
            known = {lease["id"] for lease in portd.leases("history")}
            self.play([exporting, watching], portd)
            portd.wait_samples()
            time.sleep(3)  # until their states are final
            portd.wait_samples()
            freed = self.freed_in_history(portd)
            self.assertGreater(len(freed), 1_000)
            exporting.take_rest(lambda one: freed <= of_event(one, "ended").keys())
            watching.take_rest(lambda one: freed - known <= of_event(one, "ended").keys()
                               and freed - known <= of_event(one, "opened").keys())

            exported = of_event(exporting, "ended")
            self.assertEqual(freed - exported.keys(), set(), "missing in the export")
            self.assertEqual([one for one, count in exported.items() if count > 1], [])
            for event in ("opened", "ended"):
                told = of_event(watching, event)
                self.assertEqual(freed - known - told.keys(), set(), f"missing {event}")
                self.assertEqual([one for one, count in told.items() if count > 1], [], event)
            self.assertEqual(set(exporting.gaps), {"notRunning"})
            self.assertEqual(len(exporting.gaps), 3, "each once")
            self.assertGreater(exporting.runs, 10)

    def test_of_all_that_is_kept_there_is_one_export(self):
        with Daemon() as portd:
            with Load():
                time.sleep(2)
            portd.wait_samples()
            freed = self.freed_in_history(portd)
            self.assertGreater(len(freed), 100)
            time.sleep(3)  # until their states are final
            portd.wait_samples()
            entries = portd.json("export")
            ids = [entry["lease"]["id"] for entry in entries if "lease" in entry]
            self.assertEqual(len(set(ids)), len(ids))
            self.assertLessEqual(freed, set(ids))
            last = entries[-1]
            self.assertIn("coverage", last)
            again = portd.json("export", "--after-cursor", last["cursor"])
            self.assertEqual([entry for entry in again if entry.get("lease", {}).get("id") in ids], [])

    def test_a_consumer_that_does_not_read_costs_nobody_anything(self):
        with Daemon() as portd:
            portd.wait_samples()
            with socket.socket(socket.AF_UNIX) as idle, Load():
                idle.connect(str(portd.socket))
                idle.sendall(b'{"method":"io.portd.Ports.Watch","more":true}\0')
                with Stream(portd, "--json", "watch") as watch:
                    watch.until(lambda entry: entry["event"] == "ready")
                    for _ in range(500):
                        watch.until(lambda entry: entry["event"] == "ended")
                self.assertEqual(portd.status()["losses"], [])
                self.assertLess(portd.status()["residentBytes"], 256 << 20)


class OtherSchemas(unittest.TestCase):
    def test_a_cursor_file_makes_runs_into_one_export(self):
        with Daemon() as portd:
            cursor = portd.folder / "cursor"
            lines = []
            with Load():
                for _ in range(6):
                    time.sleep(0.5)
                    for schema in ("otel", "ecs"):
                        result = portd.ctl("export", "--schema", schema, "--cursor-file", cursor)
                        self.assertIn(result.returncode, (0, 1), result.stderr)
                        lines += [json.loads(line) for line in result.stdout.splitlines()]
            ids = [line.get("log.record.uid") or line["event"]["id"] for line in lines]
            self.assertEqual(len(ids), len(set(ids)))
            wait_until(lambda: len(ids) > 100 or portd.ctl("export").returncode == 0)
            for line in lines:
                if line.get("event.name") == "portd.lease" and "network.peer.port" in line:
                    self.assertTrue(line["network.community_id"].startswith("1:"))

    def test_the_process_is_in_every_schema(self):
        port = free_port(socket.SOCK_DGRAM)
        code = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", {port}))
print("ready")
input()
"""
        with Daemon() as portd:
            with python_child(code) as (child, _):
                portd.wait_samples()

            def exported(schema):
                result = portd.ctl("export", "--schema", schema)
                return [json.loads(line) for line in result.stdout.splitlines()]

            def mine(schema, of):
                return [line for line in exported(schema) if of(line) == port]

            wait_until(lambda: mine("otel", lambda line: line.get("network.local.port")),
                       what="the export of the lease")
            otel, = mine("otel", lambda line: line.get("network.local.port"))
            ecs, = mine("ecs", lambda line: line["portd"].get("local", {}).get("port"))
            self.assertEqual(otel["process.pid"], child.pid)
            self.assertEqual(ecs["process"]["pid"], child.pid)
            self.assertEqual(otel["log.record.uid"], ecs["event"]["id"])


if __name__ == "__main__":
    unittest.main()
