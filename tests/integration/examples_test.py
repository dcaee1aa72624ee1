"""The example configurations for other programs: that they can be read, and that their commands work."""

import json
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import tomllib
import unittest

from harness import Daemon, wait_until

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "packaging/examples"


def fluent_bit_sections(path):
    """The sections of a file in Fluent Bit's classic syntax, as (name, settings)."""
    sections = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[([A-Z]+)\]", line):
            sections.append((header[1], {}))
        elif entry := re.fullmatch(r"    (\w+) +(\S.*)", line):
            sections[-1][1][entry[1]] = entry[2]
        else:
            raise AssertionError(f"{path.name}:{number}: {line!r}")
    return sections


class Examples(unittest.TestCase):
    def printed(self, command):
        """What the export prints, with a cursor file of its own and without following."""
        program, *arguments = command
        self.assertEqual(program, "portd-ctl")
        file = arguments.index("--cursor-file") + 1
        self.assertTrue(arguments[file].startswith("/var/lib/"))
        with Daemon() as portd:
            arguments[file] = str(portd.folder / "cursor")
            arguments = [one for one in arguments if one != "--follow"]
            portd.wait_samples()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
                held.bind(("127.0.0.1", 0))
                portd.wait_samples()
            lines = []

            def find():
                result = portd.ctl(*arguments)
                self.assertIn(result.returncode, (0, 1), result.stderr)
                lines.extend(map(json.loads, result.stdout.splitlines()))
                return lines
            wait_until(find, what="the export of a lease")
            return lines

    def test_vector(self):
        with open(EXAMPLES / "vector.toml", "rb") as file:
            config = tomllib.load(file)
        source = config["sources"]["portd"]
        self.assertEqual((source["type"], source["mode"]), ("exec", "streaming"))
        for sink in config["sinks"].values():
            self.assertLessEqual(set(sink["inputs"]), set(config["sources"]))
        for line in self.printed(source["command"]):
            self.assertIn("@timestamp", line)
            self.assertIn("id", line["event"])

    def test_fluent_bit(self):
        sections = fluent_bit_sections(EXAMPLES / "fluent-bit.conf")
        self.assertEqual([name for name, _ in sections], ["SERVICE", "INPUT", "OUTPUT"])
        service, source, sink = (settings for _, settings in sections)
        self.assertEqual(sink["Match"], source["Tag"])
        parsers = fluent_bit_sections(EXAMPLES / service["Parsers_File"])
        self.assertIn(source["Parser"], [settings["Name"] for _, settings in parsers])
        time_key, = {settings["Time_Key"] for _, settings in parsers}
        for line in self.printed(shlex.split(source["Command"])):
            self.assertRegex(line[time_key], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")

    def checked_by(self, program, *arguments):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")
        result = subprocess.run([program, *arguments], cwd=EXAMPLES, text=True, timeout=60,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_vector_itself_takes_its_configuration(self):
        self.checked_by("vector", "validate", "--no-environment", "vector.toml")

    def test_fluent_bit_itself_takes_its_configuration(self):
        self.checked_by("fluent-bit", "--dry-run", "-c", "fluent-bit.conf")


if __name__ == "__main__":
    unittest.main()
