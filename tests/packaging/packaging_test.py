"""What is shipped beside the programs: units, man pages, versions that agree."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PORTD_BIN", SOURCE / "build/release/bin"))
UNITS = ["portd.service", "portd.socket", "portd-metrics.service", "portd-metrics.timer"]
PAGES = sorted((SOURCE / "packaging/man").glob("*.[1-8]"))

# Of systemd-analyze security, times ten: 2.0 is the most that portd may ever have.
MOST_EXPOSURE = 16


def run(*command, **keywords):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60,
                          check=False, **keywords)


def version():
    text = (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(r"project\(portd VERSION ([0-9.]+)", text)[1]


class Units(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="portd-units.")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in UNITS:
            text = (SOURCE / "systemd" / name).read_text(encoding="utf-8")
            # The programs are not installed here.
            (self.folder / name).write_text(
                text.replace("/usr/sbin/portd", str(BIN / "portd")), encoding="utf-8")

    def test_systemd_finds_nothing_wrong(self):
        result = run("systemd-analyze", "verify", "--man=no", *(self.folder / u for u in UNITS),
                     env={**os.environ, "SYSTEMD_UNIT_PATH": f"{self.folder}:"})
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_services_are_confined(self):
        for name in UNITS:
            if name.endswith(".service"):
                result = run("systemd-analyze", "security", "--offline=true", "--no-pager",
                             f"--threshold={MOST_EXPOSURE}", self.folder / name)
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_daemon_has_just_the_capabilities_of_ebpf(self):
        text = (self.folder / "portd.service").read_text(encoding="utf-8")
        for setting in ("CapabilityBoundingSet", "AmbientCapabilities"):
            self.assertEqual(re.findall(rf"^{setting}=(.*)$", text, re.M),
                             ["CAP_BPF CAP_PERFMON CAP_NET_ADMIN"])


class Pages(unittest.TestCase):
    def test_they_are_well_formed(self):
        for page in PAGES:
            result = run("mandoc", "-T", "lint", "-W", "warning", page)
            self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_they_name_the_version(self):
        for page in PAGES:
            title = re.search(r"^\.TH .*$", page.read_text(encoding="utf-8"), re.M)[0]
            self.assertIn(f'"portd {version()}"', title, page.name)

    def test_every_verb_and_option_is_described(self):
        page = (SOURCE / "packaging/man/portd-ctl.1").read_text(encoding="utf-8").replace("\\-", "-")
        text = run(BIN / "portd-ctl", "--help").stdout
        verbs = re.findall(r"^  ([a-z]+)  ", text.split("Verbs:")[1].split("\n\n")[0], re.M)
        self.assertIn("history", verbs)
        for verb in verbs:
            self.assertIn(f".SS portd-ctl {verb}", page)
            text += run(BIN / "portd-ctl", verb, "--help").stdout
        options = set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", text, re.M))
        self.assertIn("--since", options)
        self.assertEqual([option for option in sorted(options) if option not in page], [])

    def test_every_option_and_setting_of_the_daemon_is_described(self):
        page = (SOURCE / "packaging/man/portd.8").read_text(encoding="utf-8").replace("\\-", "-")
        text = run(BIN / "portd", "--help").stdout
        options = set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", text, re.M))
        self.assertIn("--state-dir", options)
        self.assertEqual([option for option in sorted(options) if option not in page], [])

        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("no_such_key = 1\n")
            file.flush()
            refusal = run(BIN / "portd", "--config", file.name).stderr
        keys = refusal.split("the keys are ")[1].strip().split(", ")
        self.assertIn("state_dir", keys)
        page = (SOURCE / "packaging/man/portd.toml.5").read_text(encoding="utf-8")
        for key in keys:
            self.assertRegex(page, rf"(?m)^\.B {key.split('.')[-1]}$")

    def test_every_method_is_described(self):
        interface = (SOURCE / "proto/io.portd.Ports.varlink").read_text(encoding="utf-8")
        page = (SOURCE / "packaging/man/io.portd.Ports.7").read_text(encoding="utf-8")
        for method in re.findall(r"^method (\w+)", interface, re.M):
            self.assertRegex(page, rf"(?m)^\.B {method}$")
        for error in re.findall(r"^error (\w+)", interface, re.M):
            self.assertIn(error, page)


class Versions(unittest.TestCase):
    def test_packages_agree(self):
        changelog = (SOURCE / "packaging/debian/changelog").read_text(encoding="utf-8")
        self.assertRegex(changelog.splitlines()[0], rf"^portd \({re.escape(version())}-\d+\) ")
        spec = (SOURCE / "packaging/rpm/portd.spec").read_text(encoding="utf-8")
        self.assertRegex(spec, rf"(?m)^Version: +{re.escape(version())}$")

    def test_programs_agree(self):
        for program in ("portd", "portd-ctl"):
            self.assertEqual(run(BIN / program, "--version").stdout, f"{program} {version()}\n")

    @unittest.skipUnless(shutil.which("rpmspec"), "rpm is not installed")
    def test_the_spec_parses(self):
        result = run("rpmspec", "--parse", SOURCE / "packaging/rpm/portd.spec")
        self.assertEqual((result.returncode, result.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
