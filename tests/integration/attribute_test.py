"""portd-ctl attribute: logs in every format, written from what ground_truth really did."""

import base64
import collections
import datetime
import hashlib
import json
import os
import random
import socket
import struct
import subprocess
import time
import unittest

from harness import (BIN, NOBODY, Daemon, free_port, keep_ports_apart, namespace_here, need_ebpf,
                     need_root, now_us)
from truth import connection_of, expect_exact, unmapped

setUpModule = keep_ports_apart

Row = collections.namedtuple("Row", "at duration protocol source sport destination dport pid responder")

ZEEK_FIELDS = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "duration",
               "conn_state"]


def rows_of(truth):
    """A row for each connection, as it began; with the pids of both ends."""
    accepted = {connection_of(lease, mirrored=True): lease for lease in truth.leases
                if lease.get("role") == "accepted"}
    rows = []
    for lease in truth.leases:
        if lease.get("role") != "client" or "openerPid" not in lease:
            continue
        if lease.get("outcome") not in ("closed", "reset"):
            continue
        other = accepted.get(connection_of(lease), {})
        began = lease["openedAfterUsec"]
        rows.append(Row(began, max(lease["closedBeforeUsec"] - began, 0), lease["protocol"],
                        unmapped(lease["localAddress"]), lease["localPort"],
                        unmapped(lease["peerAddress"]), lease["peerPort"],
                        lease["openerPid"], other.get("openerPid")))
    return rows


def seconds(usec):
    return f"{usec // 1_000_000}.{usec % 1_000_000:06}"


def iso(usec, zone="+0000"):
    moment = datetime.datetime.fromtimestamp(usec // 1_000_000, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{usec % 1_000_000:06}{zone}"


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def zeek(rows):
    lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-",
             "#path\tconn", "\t".join(["#fields", *ZEEK_FIELDS]),
             "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\tstring"]
    lines += ["\t".join([seconds(row.at), f"C{i}", row.source, str(row.sport), row.destination,
                         str(row.dport), row.protocol, seconds(row.duration), "SF"])
              for i, row in enumerate(rows)]
    return lines + ["#close\t2026-11-24-00-00-00"]


def zeek_json(rows):
    return ['{"ts":%s,"uid":"C","id.orig_h":"%s","id.orig_p":%d,"id.resp_h":"%s","id.resp_p":%d,'
            '"proto":"%s","duration":%s}' % (seconds(row.at), row.source, row.sport,
                                             row.destination, row.dport, row.protocol,
                                             seconds(row.duration)) for row in rows]


def suricata(rows):
    return [json.dumps({"timestamp": iso(row.at + row.duration), "event_type": "flow",
                        "src_ip": row.source, "src_port": row.sport, "dest_ip": row.destination,
                        "dest_port": row.dport, "proto": row.protocol.upper(),
                        "flow": {"start": iso(row.at), "end": iso(row.at + row.duration),
                                 "state": "closed"}}) for row in rows]


def csv(rows):
    return ["Time,Src IP,Src Port,Dst IP,Dst Port,Protocol,Note",
            *(f'{iso(row.at, "Z")},{row.source},{row.sport},{row.destination},{row.dport},'
              f'{row.protocol},"a, ""b"""' for row in rows)]


def conntrack(rows):
    return [f"[{seconds(row.at)}]\t    [NEW] {row.protocol}      6 120 SYN_SENT src={row.source} "
            f"dst={row.destination} sport={row.sport} dport={row.dport} [UNREPLIED] "
            f"src={row.destination} dst={row.source} sport={row.dport} dport={row.sport}"
            for row in rows]


def packet_filter(rows):
    return [f"{iso(row.at, '+00:00')} host kernel: IN= OUT=lo SRC={row.source} DST={row.destination}"
            f" LEN=60 TTL=64 PROTO={row.protocol.upper()} SPT={row.sport} DPT={row.dport} SYN"
            for row in rows]


def plain(rows):
    return [f"{seconds(row.at)} {row.protocol} {end(row.source, row.sport)} "
            f"{end(row.destination, row.dport)}" for row in rows]


def community_id(row):
    """Version 1, as its specification has it: github.com/corelight/community-id-spec."""
    family = socket.AF_INET6 if ":" in row.source else socket.AF_INET
    ends = sorted([(socket.inet_pton(family, row.source), row.sport),
                   (socket.inet_pton(family, row.destination), row.dport)])
    number = {"tcp": 6, "udp": 17}[row.protocol]
    data = struct.pack(">H", 0) + ends[0][0] + ends[1][0] + struct.pack(
        ">BBHH", number, 0, ends[0][1], ends[1][1])
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


FORMATS = {"zeek": zeek, "zeek as JSON": zeek_json, "suricata": suricata, "csv": csv,
           "conntrack": conntrack, "packet filter": packet_filter, "lines": plain}


@need_root
@need_ebpf
class Attribute(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.portd = Daemon("--capture", "ebpf").start()

    @classmethod
    def tearDownClass(cls):
        cls.portd.__exit__()

    def attribute(self, lines, *options, user=None, status=0):
        path = self.portd.folder / "log.txt"
        path.write_text("".join(line + "\n" for line in lines), errors="surrogateescape")
        # Connections of other tests between the same ends may linger elsewhere.
        result = self.portd.ctl("attribute", path, "--netns", namespace_here(), *options, user=user)
        self.assertEqual(result.returncode, status, result.stderr)
        return result

    def objects(self, lines, *options, **keywords):
        """What is said of each row, and the summary."""
        told = [json.loads(line)
                for line in self.attribute(lines, "--json", *options, **keywords).stdout.splitlines()]
        self.assertEqual(list(told[-1]), ["summary"])
        return [one["portd"] for one in told[:-1]], told[-1]["summary"]

    def expect_right(self, rows, told, confidences):
        self.assertEqual(len(told), len(rows))
        for row, one in zip(rows, told):
            with self.subTest(row=row, portd=one):
                self.assertIn(one["confidence"], confidences)
                self.assertEqual(one["side"], "source")
                self.assertEqual(one["process"]["pid"], row.pid)
                if row.responder and "process" in one.get("responder", {}):
                    self.assertEqual(one["responder"]["process"]["pid"], row.responder)

    def play(self, scenario, *options):
        rows = rows_of(expect_exact(self, self.portd, scenario, *options))
        self.assertGreater(len(rows), 0)
        return rows

    def test_every_row_of_every_format_gets_its_process(self):
        rows = self.play("programs", "--count", 100, "--parents", 4) + self.play("families") \
            + self.play("churn", "--count", 500)
        random.shuffle(rows)
        self.assertGreater(len({row.pid for row in rows}), 100)
        for name, write in FORMATS.items():
            with self.subTest(format=name):
                told, summary = self.objects(write(rows), "--within", "0s")
                self.expect_right(rows, told, {"exact", "likely"})
                self.assertEqual(summary["rows"], len(rows))
                responders = [one for one in told if "process" in one.get("responder", {})]
                self.assertGreater(len(responders), len(rows) // 2 if name in
                                   ("zeek", "zeek as JSON", "suricata") else 0)

    def test_the_clock_of_the_log_may_be_off(self):
        time.sleep(6)  # skew and --within do not reach what other tests did between the same ends
        rows = self.play("programs", "--count", 100, "--parents", 4)
        for skew in (-2_000_000, 2_000_000):
            moved = [row._replace(at=row.at + skew) for row in rows]
            told, _ = self.objects(zeek(moved), "--within", "3s")
            self.expect_right(rows, told, {"exact", "likely"})
            if skew < 0:  # later its port is still lingering
                self.assertIn("skewed", told[0]["reasons"])

    def test_rows_come_out_in_their_own_format(self):
        rows = self.play("churn", "--count", 20)
        written = {name: self.attribute(write(rows)).stdout.splitlines()
                   for name, write in FORMATS.items()}
        table = [line.split("\t") for line in written["zeek"]]
        fields, types = table[5], table[6]
        self.assertEqual(len(fields), len(types))
        at = fields.index("portd_pid") - 1
        body = [line for line in table if not line[0].startswith("#")]
        self.assertEqual([line[at] for line in body], [str(row.pid) for row in rows])
        self.assertEqual({len(line) for line in body}, {len(fields) - 1})
        self.assertEqual(["\t".join(line[:len(ZEEK_FIELDS)]) for line in body],
                         zeek(rows)[7:-1])
        for name in ("zeek as JSON", "suricata"):
            for line, original, row in zip(written[name], FORMATS[name](rows), rows):
                self.assertTrue(line.startswith(original[:-1]))
                self.assertEqual(json.loads(line)["portd"]["process"]["pid"], row.pid)
        self.assertTrue(written["csv"][0].startswith(csv(rows)[0] + ",portd_process,portd_pid,"))
        for line, original, row in zip(written["csv"][1:], csv(rows)[1:], rows):
            self.assertTrue(line.startswith(original + ",ground_truth"), line)
            self.assertIn(f",{row.pid},", line)
        for name in ("conntrack", "packet filter", "lines"):
            for line, original, row in zip(written[name], FORMATS[name](rows), rows):
                self.assertTrue(line.startswith(original + " # portd: portd_process="), line)
                self.assertIn(f" portd_pid={row.pid} ", line)

    def test_it_says_which_rows_have_no_process_and_why(self):
        row = self.play("churn", "--count", 20)[5]
        port = free_port()  # had by nobody when the rows were there: it is tried only now
        free = row._replace(sport=port, dport=port)
        rows = [free, row._replace(at=row.at - 7_200_000_000), free._replace(dport=9),
                row._replace(protocol="icmp"), row]
        told, summary = self.objects([*zeek(rows)[:-1], "no row", "#close"], "--within", "0s")
        self.assertEqual([one["confidence"] for one in told],
                         ["nobody", "unwatched", "notRecorded", "noPorts", "exact", "unreadable"])
        self.assertEqual(told[1]["gaps"], ["notRunning"])
        self.assertEqual(told[2]["ports"], [9])
        self.assertEqual(summary, {"rows": 6, "exact": 1, "likely": 0, "ambiguous": 0, "unknown": 0,
                                   "withheld": 0, "unwatched": 1, "notRecorded": 1, "nobody": 1,
                                   "noLease": 0, "noPorts": 1, "unreadable": 1})
        text = self.attribute(zeek(rows[:2]), "--within", "0s", status=1)
        self.assertIn("2 rows: 1 not watched, 1 of nobody here", text.stderr)
        self.attribute(zeek(rows[:2]), "--within", "0s", "--strict", status=4)

    def test_a_community_id_and_a_time_are_enough(self):
        rows = self.play("churn", "--count", 300) + self.play("families")
        lines = [json.dumps({"timestamp": iso(row.at), "community_id": community_id(row)})
                 for row in rows]
        told, summary = self.objects(lines, "--within", "1s")
        self.assertEqual(summary["noLease"], 0, summary)
        self.expect_right(rows, told, ("exact", "likely"))
        text = self.attribute([f"{iso(row.at)} {community_id(row)}" for row in rows]).stdout
        for line, row in zip(text.splitlines(), rows):
            self.assertIn(f" portd_pid={row.pid} ", line)

        row = rows[5]
        stranger = row._replace(source="192.0.2.9")
        told, summary = self.objects(
            [f"{iso(one.at)} {community_id(one)}"
             for one in (row._replace(at=row.at - 7_200_000_000), stranger, row)], "--within", "0s")
        self.assertEqual([one["confidence"] for one in told], ["unwatched", "noLease", "exact"])
        self.assertEqual(told[0]["gaps"], ["notRunning"])
        os.chmod(self.portd.folder, 0o755)
        told, _ = self.objects([f"{iso(row.at)} {community_id(row)}"], user=NOBODY, status=1)
        self.assertEqual(told[0]["confidence"], "withheld")

    def test_a_port_that_is_not_told_or_not_read_is_not_nobodys(self):
        row = self.play("churn", "--count", 20)[5]
        form = f"{iso(row.at, 'Z')},{row.source},%s,192.0.2.1,65001,tcp"
        ports = [f"{row.sport}", f"{row.sport}.0", "", "-", "None", f"{row.sport}/tcp", "70000", "x"]
        told, _ = self.objects(["ts,src_ip,src_port,dest_ip,dest_port,proto",
                                *(form % port for port in ports)], "--within", "0s", status=1)
        self.assertEqual([one["confidence"] for one in told],
                         ["nobody", "nobody", "unknown", "unknown", "unknown", "unreadable",
                          "unreadable", "unreadable"])
        told, _ = self.objects(["ts,src_ip,src_port,dest_ip,dest_port,proto",
                                f"{iso(row.at, 'Z')},{row.source},{row.sport}.0,{row.destination},"
                                f"{row.dport}.0,tcp"])
        self.expect_right([row], told, ("exact", "likely"))

    def test_the_holders_of_a_shared_port_are_not_chosen_from(self):
        code = ("import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
                "s.bind(('127.0.0.1', int(sys.argv[1])))\nprint('ready', flush=True)\ninput()\n")
        port = free_port()
        both = [subprocess.Popen(["python3", "-c", code, str(port)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True) for _ in range(2)]
        try:
            for process in both:
                process.stdout.readline()
            at = now_us()
            self.portd.wait_samples()
            line = f"{seconds(at)} udp 127.0.0.1:{port} 127.0.0.1:53"
            told, _ = self.objects([line], "--within", "0s", status=1)
            self.assertEqual(told[0]["confidence"], "ambiguous")
            self.assertEqual({one["pid"] for one in told[0]["candidates"]},
                             {process.pid for process in both})
            told, _ = self.objects([f"{seconds(at)} {port}"], "--within", "0s", status=1)
            self.assertEqual(told[0]["confidence"], "ambiguous")
            # Another machine's port of that number is nobody's here.
            line = f"{seconds(at)} udp 192.0.2.77:{port} 192.0.2.78:{port}"
            told, _ = self.objects([line], "--within", "0s", status=1)
            self.assertEqual(told[0]["confidence"], "nobody")
        finally:
            for process in both:
                process.communicate("\n")

    def test_others_are_not_shown_whose_it_was(self):
        rows = self.play("churn", "--count", 20)
        os.chmod(self.portd.folder, 0o755)
        told, summary = self.objects(zeek(rows), user=NOBODY, status=1)
        self.assertEqual({one["confidence"] for one in told}, {"withheld"})
        self.assertEqual(summary["withheld"], len(rows))

    def test_garbage_ends_in_counts(self):
        chance = random.Random(7)
        garbage = bytes(chance.randrange(256) for _ in range(200_000)) + b"\n" + b"x" * 3_000_000
        path = self.portd.folder / "garbage"
        path.write_bytes(garbage)
        for form in ((), ("--format", "zeek"), ("--format", "json"), ("--format", "csv"),
                     ("--format", "lines")):
            result = subprocess.run([BIN / "portd-ctl", "--socket", self.portd.socket, "attribute",
                                     path, *form], capture_output=True, timeout=60)
            self.assertEqual(result.returncode, 1, result.stderr)
            told = result.stderr.decode()
            self.assertRegex(told, r"^\d+ rows: \d+ unreadable\n(Line \d+ cannot be read: .+\n){1,3}$")
            self.assertTrue(told.replace("\n", "").isprintable(), told)
            self.assertIn(b"x" * 1000, result.stdout)

    def test_the_first_rows_that_cannot_be_read_are_told(self):
        row = self.play("churn", "--count", 20)[0]
        lines = [plain([row])[0] + " ESTABLISHED 4711 bytes", "# a comment", "yesterday tcp 5",
                 f"{iso(row.at)} tcp \x1b[2Jhost:5", f"{iso(row.at)} tcp", "", "again"]
        result = self.attribute(lines)
        self.assertIn(f" portd_pid={row.pid} ", result.stdout.splitlines()[0])
        self.assertEqual(result.stderr.splitlines()[1:], [
            "Line 3 cannot be read: it does not begin with a time that is understood.",
            "Line 4 cannot be read: '\\x1b[2Jhost:5' is neither a protocol nor an address and a port.",
            "Line 5 cannot be read: it has no port, from 1 to 65535."])

    def test_a_listener_is_not_named_for_what_never_got_to_it(self):
        with socket.create_server(("127.0.0.1", 0)) as server, \
                socket.create_connection(server.getsockname()) as client:
            server.accept()[0].close()
            at = now_us()
            self.portd.wait_samples(2)
            port, nobodys = server.getsockname()[1], free_port()
            lines = [f"{seconds(at)} tcp 127.0.0.1:{source} 127.0.0.1:{port}"
                     for source in (nobodys, client.getsockname()[1])]
            told, _ = self.objects([*lines, f"{seconds(at)} tcp 127.0.0.1:{port}"],
                                   "--within", "0s")
            self.assertEqual([one["confidence"] for one in told], ["unknown", "exact", "likely"])
            self.assertEqual(told[0]["reasons"], ["localEnd", "noConnection"])
            self.assertNotIn("process", told[0])
            self.assertEqual(told[1]["responder"]["process"]["pid"], os.getpid())

    def test_it_goes_on_with_a_log_that_grows(self):
        row = self.play("churn", "--count", 20)[0]
        with subprocess.Popen([BIN / "portd-ctl", "--socket", self.portd.socket, "attribute"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as client:
            for _ in range(2):
                client.stdin.write(plain([row])[0] + "\n")
                client.stdin.flush()
                self.assertIn(f"portd_pid={row.pid}", client.stdout.readline())
            client.stdin.close()
            self.assertIn("2 rows: ", client.stderr.read())

    def test_what_cannot_be_asked(self):
        for options in (("--format", "xml"), ("--within", "soon"), ("--local", "here")):
            self.assertEqual(self.portd.ctl("attribute", *options).returncode, 2, options)
        self.assertEqual(self.portd.ctl("attribute", "/nowhere/log").returncode, 2)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.portd.socket))
            call = {"method": "io.portd.Ports.Attribute", "more": True,
                    "parameters": {"flows": [{"atUsec": 5}]}}
            connection.sendall(json.dumps(call).encode() + b"\0")
            self.assertIn(b"InvalidParameter", connection.recv(65536))


if __name__ == "__main__":
    unittest.main()
