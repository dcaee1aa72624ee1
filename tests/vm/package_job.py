"""In a machine with systemd: the life of the installed packages, from apt to purge.

Prints a line for each check, and at the end how many passed and failed."""

import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import traceback

JOB = pathlib.Path(__file__).resolve().parent
SOCKET = "/run/portd/io.portd.Ports"
STATE = pathlib.Path("/var/lib/portd")
WEB_PORT = 60700
APPLICATION_ID = 0x706F7274  # of a file of portd
DEFAULT_TESTS = "exact_binds history_filters"

# Without hardware virtualisation everything takes ten times as long, or more beside other work.
IS_EMULATED = subprocess.run(["systemd-detect-virt"], stdout=subprocess.PIPE, text=True,
                             check=False).stdout.strip() == "qemu"
passed, failed = 0, 0


def check(condition, what, detail=""):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
    print(("ok    " if condition else "FAILED"), what, *([] if condition else [f"-- {detail}"]),
          flush=True)
    return condition


def run(*command, timeout=120, **keywords):
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL,
                          **keywords)


def show(unit, name):
    return run("systemctl", "show", "-P", name, unit).stdout.strip()


def start(*units):
    """Whatever went before: one that was started often in a minute is refused."""
    run("systemctl", "reset-failed", *units)
    return run("systemctl", "start", *units)


def ctl(*arguments, user=None):
    command = ["portd-ctl", "--utc", *arguments]
    if user:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command]
    return run(*command)


def rows(*arguments, user=None):
    found = ctl("--json", *arguments, user=user).stdout
    return [json.loads(line) for line in found.splitlines() if line.startswith("{")]


def leases(*arguments, user=None):
    return [row for row in rows(*arguments, user=user) if "opened" in row]


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.2)


def apt(*words):
    return run("apt-get", "-qq", "-y", *words, timeout=600,
               env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def status():
    return (rows("status") or [{}])[0]


def gaps():
    return [(gap["cause"], gap.get("sinceUsec"), gap.get("untilUsec"))
            for gap in status().get("gaps", [])]


class Traffic:
    """Connections to the local server, one after the other; what it did is known exactly."""

    def __init__(self):
        self.began = time.time()
        self.program = subprocess.Popen(
            [sys.executable, "-u", "-c", CONNECTOR], stdout=subprocess.PIPE,
            stdin=subprocess.PIPE, text=True)

    def stop(self):
        """[(port, opened, closed)] in microseconds, and the pid."""
        out, _ = self.program.communicate("stop\n")
        return [tuple(map(int, line.split())) for line in out.splitlines()], self.program.pid


CONNECTOR = f"""
import select, socket, sys, time
while not select.select([sys.stdin], [], [], 0.02)[0]:
    before = time.time_ns() // 1000
    try:
        with socket.create_connection(("127.0.0.1", {WEB_PORT}), 10) as made:
            port = made.getsockname()[1]
    except OSError:
        continue
    print(port, before, time.time_ns() // 1000)
"""


def check_history(what, disturb, gap_causes=()):
    """Connections go on while it is disturbed: each is in history, with the right process, or in a gap
    of one of the causes."""
    run("systemctl", "reset-failed", "portd.service")
    known = set(gaps())
    traffic = Traffic()
    time.sleep(1)
    disturb()
    time.sleep(1)
    made, pid = traffic.stop()
    wait_until(lambda: status().get("watchingSinceUsec"))
    time.sleep(2)
    new = [gap for gap in gaps() if gap not in known]
    unobserved = [lease for lease in leases("history", "--since", f"@{traffic.began}")
                  if lease["opened"]["provenance"] != "observed"]
    check(all(cause in gap_causes for cause, _, _ in new), f"{what}: no gap, or one that is meant",
          (new, unobserved))
    found = {}
    for lease in leases("history", "--pid", str(pid)):
        found.setdefault(lease["localPort"], []).append(lease)
    missing = []
    for port, opened, closed in made:
        seen = any(opened - 1000 <= lease["opened"].get("usec", 0) <= closed + 1000
                   for lease in found.get(port, []))
        in_gap = any(since <= closed and (until is None or opened <= until)
                     for _, since, until in new)
        if not seen and not in_gap:
            missing.append((port, opened, closed))
    check(made and not missing, f"{what}: {len(made)} connections are in history",
          f"{len(missing)} of {len(made)} missing: {missing[:3]}; gaps {new}")


def messages(kind):
    """Those of a MESSAGE_ID in the journal, as objects, the newest last."""
    found = run("journalctl", "-u", "portd.service", "-o", "json", f"MESSAGE_ID={kind}").stdout
    return [json.loads(line) for line in found.splitlines() if line.startswith("{")]


def main_pid():
    return int(show("portd.service", "MainPID"))


# ---- The checks

def install():
    result = apt("install", *sorted(glob.glob(f"{JOB}/debs/*.deb")))
    check(result.returncode == 0, "apt installs the packages", result.stdout[-2000:])
    check(show("portd.service", "ActiveState") == "active", "the service is active",
          run("journalctl", "-u", "portd", "-n", "30").stdout)
    began = int(show("portd.service", "InactiveExitTimestampMonotonic"))
    ready = int(show("portd.service", "ActiveEnterTimestampMonotonic"))
    cpu = int(show("portd.service", "CPUUsageNSec"))
    check(ready - began < 5_000_000 or IS_EMULATED,
          f"it was ready after {(ready - began) / 1e6:.1f} s and {cpu / 1e9:.1f} s of CPU")
    check(status().get("tier") == "ebpf", "it watches with ebpf", ctl("status").stdout)
    check(run("systemctl", "is-enabled", "portd.service", "portd.socket").stdout.split()
          == ["enabled", "enabled"], "it starts with the machine")
    check(show("portd.service", "User") == "portd" and
          pathlib.Path(f"/proc/{main_pid()}/status").read_text().count(
              "CapEff:\t000000c000001000") == 1, "it has three capabilities and no more")
    doctor = ctl("doctor")
    check(doctor.returncode == 0, "the doctor finds nothing bad", doctor.stdout)
    security = run("systemd-analyze", "security", "--no-pager", "portd.service").stdout
    figure = re.search(r"exposure level for portd.service: ([0-9.]+)", security)
    check(figure and float(figure[1]) <= 2.0,
          f"systemd-analyze security: {figure[1] if figure else '?'}", security[-300:])
    messages = [json.loads(line) for line in run(
        "journalctl", "-u", "portd", "-o", "json").stdout.splitlines() if line.startswith("{")]
    check(any(m.get("PORTD_TIER") == "ebpf" and "MESSAGE_ID" in m for m in messages),
          "messages in the journal have identifiers and fields")
    check("portd-ctl status" in run("journalctl", "-u", "portd", "-x").stdout,
          "and the catalog explains them")


def own_test():
    """The test that the package has with it, for autopkgtest(1)."""
    result = run("bash", JOB / "debian-tests/answers")
    check(result.returncode == 0, "the package's own test passes", result.stdout[-2000:])


def attribution():
    for user in ("alice", "bob"):
        run("useradd", "--create-home", user)
    run("usermod", "-aG", "portd", "bob")
    result = run("systemd-run", "--wait", "--unit=asker", "--uid=alice", "curl", "-sS", "-o",
                 "/dev/null", f"http://127.0.0.1:{WEB_PORT}/", timeout=60)
    check(result.returncode == 0, "curl gets an answer", result.stdout)
    of_curl = lambda user=None: [lease for lease in leases("history", "--since", "-5min", user=user)
                                 if lease["opener"].get("command") == "curl"
                                 and lease.get("peerPort") == WEB_PORT]
    ended = lambda: [lease for lease in of_curl() if "outcome" in lease]
    lease = (wait_until(ended) or [None])[0]
    if check(lease, "history has the connection of curl", ctl("history").stdout[-1500:]):
        opener = lease["opener"]
        check((opener["user"], opener["unit"]) == ("alice", "asker.service"),
              "with its user and unit", opener)
        check(opener["executable"].endswith("/curl") and opener["provenance"] == "observed",
              "and program, observed", opener)
        check("usec" in lease["opened"] and lease["outcome"] == "closed", "and when and how it was",
              lease)
    check(of_curl("alice"), "its own user sees it")
    check(of_curl("bob"), "a member of the group portd sees it")
    run("gpasswd", "-d", "bob", "portd")
    check(not of_curl("bob"), "another user does not")
    cut = leases("list", "--port", str(WEB_PORT), user="bob")
    check(cut and all(lease["incomplete"] and lease["opener"].get("pid") is None for lease in cut),
          "of what is open, others see what the kernel shows to all", cut)


def disturbances():
    check_history("restart", lambda: run("systemctl", "restart", "portd.service"))

    def reload():
        pathlib.Path("/etc/portd/portd.toml.d/test.toml").write_text('interval = "300ms"\n')
        run("systemctl", "reload", "portd.service")
    check_history("reload", reload)
    check(wait_until(lambda: status().get("intervalUsec") == 300_000), "a reload applies settings")
    os.unlink("/etc/portd/portd.toml.d/test.toml")

    def kill():
        before = main_pid()
        run("systemctl", "kill", "--signal=KILL", "portd.service")
        wait_until(lambda: main_pid() not in (0, before) and
                   show("portd.service", "ActiveState") == "active")
    check_history("kill -9", kill)

    def upgrade():
        result = apt("install", *sorted(glob.glob(f"{JOB}/newer/*.deb")))
        check(result.returncode == 0, "apt upgrades the packages", result.stdout[-2000:])
    before = main_pid()
    check_history("upgrade", upgrade, gap_causes=("changeover",))
    check(main_pid() not in (0, before), "an upgrade starts the new daemon")


def revivals():
    """What ends portd, or keeps it from working, and what starts it again."""
    drop_in = pathlib.Path("/run/systemd/system/portd.service.d/watchdog.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nWatchdogSec=4\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "portd.service")

    def hang():
        before = main_pid()
        os.kill(before, 19)
        check(wait_until(lambda: main_pid() not in (0, before) and
                         show("portd.service", "ActiveState") == "active"),
              "the watchdog replaces a daemon that hangs")
    check_history("a daemon that hangs", hang)
    shutil.rmtree(drop_in.parent)
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "portd.service")

    def stop_and_ask():
        run("systemctl", "stop", "portd.service")
        check(show("portd.service", "ActiveState") == "inactive", "it can be stopped")
        # A client gives up after a while, and an emulated machine may take longer to start it.
        check(wait_until(lambda: ctl("status").returncode == 0, 200),
              "and whoever asks starts it again", ctl("status").stdout)
    check_history("stop, and a start by its socket", stop_and_ask, gap_causes=("notRunning",))

    def boot():
        run("systemctl", "stop", "portd.socket", "portd.service")
        # This job is a part of multi-user.target: it cannot be waited for.
        run("systemctl", "start", "--no-block", "sockets.target", "multi-user.target")
        wait_until(lambda: show("portd.service", "ActiveState") == "active")
    check_history("what a boot starts", boot, gap_causes=("notRunning",))


DISK_FULL = "70cf1f25c26b4acb83df44c1829cc9d1"
SETTINGS_REFUSED = "1fd36e4f00984d7e8129a2b063c0e82c"
REFUSED = "3d63dafdafb246389f5f2753f29266fb"
FILE_SET_ASIDE = "3bc4933249ee48b787f835ececd0a5f5"


def current_file():
    return sorted(STATE.glob("current-*.db"))[-1]


def faults():
    """A state directory without room, and a file of it that is damaged."""
    services = ("portd.socket", "portd.service")
    run("systemctl", "stop", *services)
    run("mount", "-t", "tmpfs", "-o", "size=8M,mode=750,uid=portd,gid=portd", "portd-full", STATE)
    start(*services)
    log = lambda: run("journalctl", "-u", "portd.service", "-n", "30", "-o", "cat").stdout

    def fill():
        run("dd", "if=/dev/zero", f"of={STATE}/filler", "bs=64K")
        check(wait_until(lambda: messages(DISK_FULL)), "a full disk is a message in the journal",
              log())
        time.sleep(5)
        check(len(messages(DISK_FULL)) == 1, "which is not repeated", messages(DISK_FULL))
        (STATE / "filler").unlink()
        check(wait_until(lambda: "stored again" in log()), "and so is that it is over", log())
    check_history("a full disk", fill)

    run("systemctl", "stop", *services)
    current = current_file()
    with open(current, "r+b") as file:
        file.write(os.urandom(4096))
    start(*services)
    told = wait_until(lambda: messages(FILE_SET_ASIDE))
    if check(len(told) == 1, "a damaged file is a message in the journal", log()):
        aside = told[0].get("PORTD_FILE", "")
        check(aside.startswith(f"{current}.damaged-") and os.path.exists(aside),
              "which names the file that was set aside", told)
        check(told[0]["PRIORITY"] == "3" and aside in run(
            "journalctl", "-u", "portd.service", "-x").stdout.split("Subject: A damaged file", 1)[-1],
              "is an error, and explained")
    check(status().get("tier") == "ebpf", "and it goes on with a new one", log())
    run("systemctl", "stop", *services)
    run("umount", "-l", STATE)
    start(*services)


def older_store():
    """A history that an earlier version of portd kept: it is carried over before the service is ready."""
    services = ("portd.socket", "portd.service")
    dumped = JOB / "version_5"
    expected = [json.loads(line) for line in (dumped / "answers.jsonl").read_text().splitlines()]
    run("systemctl", "stop", *services)
    run("mount", "-t", "tmpfs", "-o", "size=64M,mode=750,uid=portd,gid=portd", "portd-older", STATE)
    for dump in sorted(dumped.glob("*-*.sql")):
        file = STATE / f"{dump.stem}.db"
        with sqlite3.connect(file) as store:
            store.executescript((dumped / "schema.sql").read_text() + dump.read_text() +
                                f"PRAGMA user_version = 5; PRAGMA application_id = {APPLICATION_ID};")
        store.close()
        if file.stem.startswith("history"):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            pathlib.Path(f"{file}.sha256").write_text(f"{digest}  {file.name}\n")
    for file in STATE.iterdir():
        shutil.chown(file, "portd", "portd")
    keep = pathlib.Path("/etc/portd/portd.toml.d/keep.toml")
    keep.write_text('[store]\nmax_age = "100y"\n')
    started = start(*services)
    log = run("journalctl", "-u", "portd.service", "-n", "40", "-o", "cat").stdout
    check(started.returncode == 0 and status().get("tier") == "ebpf" and
          log.count("carrying history over to this version") == len(list(dumped.glob("*-*.sql"))),
          "an older store is carried over, file by file, and the service starts", log)

    def place(lease):
        return (lease["cookie"], lease["localPort"], lease["opened"].get("usec"),
                lease["opener"].get("pid"))
    found = leases("history", "--since", "2023-11-01", "--until", "2023-12-01", "--limit", "1000")
    check(sorted(map(place, found)) == sorted(map(place, expected)),
          f"history has all of its {len(expected)} leases", list(map(place, found))[:5])
    check(ctl("verify").returncode == 0, "and its files are sound", ctl("verify").stdout)
    run("systemctl", "stop", *services)
    run("umount", "-l", STATE)
    keep.unlink()
    start(*services)


def another_directory():
    """History in a place that the shipped unit may not write to, and the drop-in that opens it."""
    place = pathlib.Path("/srv/history")
    place.mkdir()
    shutil.chown(place, "portd", "portd")
    place.chmod(0o750)
    setting = pathlib.Path("/etc/portd/portd.toml.d/place.toml")
    setting.write_text(f'state_dir = "{place}"\n')
    run("systemctl", "restart", "portd.service")
    check("ReadWritePaths=" in run("journalctl", "-u", "portd", "-n", "20", "-o", "cat").stdout,
          "a state directory that the unit closes is refused, and the log says what opens it")
    drop_in = pathlib.Path("/run/systemd/system/portd.service.d/place.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\nReadWritePaths={place}\n")
    run("systemctl", "daemon-reload")
    started = start("portd.socket", "portd.service")
    check(started.returncode == 0 and status().get("stateDirectory") == str(place) and
          list(place.glob("current-*.db")), "with the drop-in history is kept there",
          run("journalctl", "-u", "portd", "-n", "20", "-o", "cat").stdout)
    doctor = ctl("doctor")
    check(doctor.returncode == 0 and f"{place} belongs to portd" in doctor.stdout,
          "and the doctor looks there", doctor.stdout)
    setting.unlink()
    shutil.rmtree(drop_in.parent)
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "portd.service")
    shutil.rmtree(place)


METRICS = pathlib.Path("/var/lib/prometheus/node-exporter/portd.prom")


def metrics():
    """They are there while portd answers, and only then: old ones would tell that all is well."""
    METRICS.parent.mkdir(parents=True, exist_ok=True)
    run("systemctl", "enable", "--now", "portd-metrics.timer")
    check(wait_until(METRICS.exists) and "portd_watching 1" in METRICS.read_text(),
          "the timer writes metrics", run("systemctl", "status", "portd-metrics.service").stdout)
    run("systemctl", "stop", "portd.service")
    check(wait_until(lambda: not METRICS.exists()) and
          show("portd.service", "ActiveState") == "inactive",
          "which go when portd is stopped, and do not start it")
    start("portd.socket", "portd.service")
    check(wait_until(METRICS.exists), "and come again")


def unreadable_settings():
    settings = pathlib.Path("/etc/portd")
    before = main_pid()
    settings.chmod(0o700)
    run("systemctl", "reload", "portd.service")
    told = wait_until(lambda: messages(SETTINGS_REFUSED))
    check(told and "Permission denied" in told[-1]["MESSAGE"] and main_pid() == before,
          "settings that cannot be read are refused by a reload, and portd goes on", told)
    start("portd.service")
    run("systemctl", "restart", "portd.service")
    log = run("journalctl", "-u", "portd.service", "-p", "err", "-n", "5", "-o", "cat").stdout
    check(show("portd.service", "ExecMainStatus") == "2" and
          "portd: /etc/portd/portd.toml: Permission denied" in log,
          "and by a start", run("journalctl", "-u", "portd", "-n", "20").stdout)
    settings.chmod(0o755)
    start("portd.socket", "portd.service")
    check(status().get("tier") == "ebpf", "and then it starts again")


def refusals():
    run("systemctl", "stop", "portd.socket", "portd.service")
    current = current_file()
    with sqlite3.connect(current) as store:
        version, = store.execute("PRAGMA user_version").fetchone()
        store.execute("PRAGMA user_version = 999")
    store.close()
    started = start("portd.service")
    log = run("journalctl", "-u", "portd", "-n", "20").stdout
    check(started.returncode != 0 and show("portd.service", "ExecMainStatus") == "77" and
          show("portd.service", "NRestarts") == "0",
          "a store of a newer version is refused, once", log)
    check("newer portd" in log and messages(REFUSED), "and the log says so", log)
    # Whoever asks makes it try again, until systemd has enough of it.
    start("portd.socket")
    check(ctl("--timeout", "20s", "status").returncode == 3, "who asks then gets no answer")
    run("systemctl", "stop", "portd.socket", "portd.service")
    with sqlite3.connect(current) as store:
        store.execute(f"PRAGMA user_version = {version}")
    store.close()
    bad = pathlib.Path("/etc/portd/portd.toml.d/bad.toml")
    bad.write_text("intervall = 1\n")
    start("portd.service")
    check(show("portd.service", "ExecMainStatus") == "2" and "bad.toml:1" in
          run("journalctl", "-u", "portd", "-n", "20").stdout,
          "settings with a mistake are refused, with file and line",
          run("journalctl", "-u", "portd", "-n", "20").stdout)
    bad.unlink()
    start("portd.socket", "portd.service")
    check(status().get("tier") == "ebpf", "and then it starts again")


def varlink():
    if not shutil.which("varlinkctl"):
        return
    info = run("varlinkctl", "info", SOCKET)
    check(info.returncode == 0 and "io.portd.Ports" in info.stdout, "varlinkctl info", info.stdout)
    text = run("varlinkctl", "introspect", SOCKET, "io.portd.Ports")
    check(text.returncode == 0 and "method History" in text.stdout, "varlinkctl introspect",
          text.stdout[-500:])
    check(run("varlinkctl", "validate-idl", "/usr/share/portd/io.portd.Ports.varlink").returncode
          == 0, "varlinkctl validate-idl")
    who = run("varlinkctl", "call", SOCKET, "io.portd.Ports.Who", json.dumps({"port": WEB_PORT}))
    check(who.returncode == 0 and "holders" in who.stdout, "varlinkctl call", who.stdout)
    more = run("varlinkctl", "call", "--more", SOCKET, "io.portd.Ports.History",
               json.dumps({"port": WEB_PORT, "limit": 3}))
    check(more.returncode == 0 and "coverage" in more.stdout, "varlinkctl call --more", more.stdout)
    wrong = run("varlinkctl", "call", SOCKET, "io.portd.Ports.Who", '{"port":"x"}')
    check(wrong.returncode != 0 and "InvalidParameter" in wrong.stdout, "varlinkctl gets errors",
          wrong.stdout)


# What the tests look for in the source, and where the packages have it.
SHARE = pathlib.Path("/usr/share")
INSTALLED = {"completions/portd-ctl.bash": SHARE / "bash-completion/completions/portd-ctl",
             "completions/_portd-ctl": SHARE / "zsh/vendor-completions/_portd-ctl",
             "completions/portd-ctl.fish": SHARE / "fish/vendor_completions.d/portd-ctl.fish",
             "examples": SHARE / "doc/portd/examples"}


def integration():
    """The tests that drive a daemon, each daemon in the confinement of the shipped unit."""
    for wanted, installed in INSTALLED.items():
        place = JOB / "source/packaging" / wanted
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(installed)
    tests = JOB / "source/tests/integration"
    os.makedirs("/var/portd-tests", exist_ok=True)
    unit = "/usr/lib/systemd/system/portd.service"
    environment = {**os.environ, "PORTD_UNIT": unit if os.path.exists(unit) else unit[4:],
                   "TMPDIR": "/var/portd-tests", "PORTD_REQUIRE_EBPF": "1",
                   "PORTD_PATIENCE": "10" if IS_EMULATED else "1"}
    names = os.environ.get("PORTD_TESTS") or DEFAULT_TESTS
    if names == "all":
        names = " ".join(file.name.removesuffix("_test.py")
                         for file in sorted(tests.glob("*_test.py")))
    for name in names.split():
        began = time.monotonic()
        try:
            result = run(sys.executable, tests / f"{name}_test.py", "-v", env=environment,
                         timeout=1200)
        except subprocess.TimeoutExpired as error:
            check(False, f"confined: {name}", (error.stdout or b"")[-3000:])
            continue
        check(result.returncode == 0, f"confined: {name} ({time.monotonic() - began:.0f} s)",
              result.stdout[-3000:])
        skipped = re.findall(r"(\S+) \(.*\n?.*skipped (['\"].*)", result.stdout)
        for test, reason in skipped:
            print(f"      skipped {test}: {reason}", flush=True)
    shutil.rmtree("/var/portd-tests")


def traces():
    """Files of portd's that are anywhere."""
    found = run("find", "/", "-xdev", "-not", "-path", "/job/*", "-not", "-path", "/proc/*",
                "-not", "-path", "/sys/*", "-iname", "*portd*").stdout.split()
    found += run("find", "/run", "/dev/shm", "-iname", "*portd*").stdout.split()
    log = re.compile(r"/var/(lib/dpkg|cache/apt|log)/|guest|/home/")
    named = re.compile(r"(^|[^a-z])portd", re.I)  # and not systemd-importd
    return [path for path in found if named.search(os.path.basename(path)) and not log.search(path)]


def removal():
    apt("remove", "portd", "portd-ctl")
    check(glob.glob("/var/lib/portd/*.db"), "removal keeps the history")
    check(show("portd.service", "ActiveState") == "inactive" and not os.path.exists(SOCKET),
          "and ends the service and its socket")
    check(show("portd-metrics.timer", "ActiveState") == "inactive" and not METRICS.exists(),
          "and the timer, and its metrics")
    apt("install", *sorted(glob.glob(f"{JOB}/newer/*.deb")))
    check(wait_until(lambda: leases("history", str(WEB_PORT))), "a new install finds the history")
    result = apt("purge", "portd", "portd-ctl")
    check(result.returncode == 0, "purge succeeds", result.stdout[-1500:])
    check(not traces(), "purge leaves no file", traces())
    accounts = pathlib.Path("/etc/passwd").read_text() + pathlib.Path("/etc/group").read_text()
    check("portd" not in accounts, "nor a user or a group", accounts)
    check("portd" not in run("systemctl", "list-units", "--all", "portd*").stdout.split("loaded")[0],
          "nor a unit")
    apt("install", *sorted(glob.glob(f"{JOB}/debs/*.deb")))
    check(status().get("tier") == "ebpf" and status().get("gaps") == [],
          "another install starts clean", ctl("status").stdout)
    run("systemctl", "stop", "portd.socket", "portd.service")
    run("mount", "-t", "tmpfs", "-o", "mode=750,uid=portd,gid=portd", "portd-own", STATE)
    start("portd.socket", "portd.service")
    result = apt("purge", "portd", "portd-ctl")
    check(result.returncode == 0 and not list(STATE.iterdir()) and
          "portd" not in pathlib.Path("/etc/passwd").read_text(),
          "history on a file system of its own is purged as well", result.stdout[-1500:])
    run("umount", STATE)
    shutil.rmtree(STATE)


def journal():
    errors = run("journalctl", "-b", "-p", "err", "-u", "portd.service", "-u", "portd.socket", "-o",
                 "cat").stdout
    meant = re.compile(r"newer portd|bad\.toml|Failed to start|Watchdog timeout|-- No entries|"
                       r"core-dump|Failed with result|^$|-- Boot|cannot store what is seen|"
                       r"the store was damaged|ReadWritePaths=|portd\.toml: Permission denied")
    left = [line for line in errors.splitlines() if not meant.search(line)]
    check(not left, "no error in the journal that was not meant", left)


def main():
    server = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1",
                               str(WEB_PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              cwd="/tmp")
    wanted = os.environ.get("PORTD_PARTS", "").split()
    for part in (install, own_test, attribution, varlink, disturbances, revivals, faults, older_store,
                 another_directory, metrics, unreadable_settings, refusals, integration, removal, journal):
        if wanted and part.__name__ not in wanted:
            continue
        began = time.monotonic()
        try:
            part()
        except Exception:  # the other parts are still worth knowing
            check(False, part.__name__, traceback.format_exc())
        print(f"      ({part.__name__}: {time.monotonic() - began:.0f} s)", flush=True)
    server.kill()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
