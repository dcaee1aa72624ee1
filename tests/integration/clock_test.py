"""The wall clock is set while the daemon runs: libfaketime shows it another one, and leaves
CLOCK_BOOTTIME alone. tests/vm/clock does the same with a clock that is really set."""

import pathlib
import tempfile
import time
import unittest

from clock_steps import check_all
from harness import Daemon

LIBRARIES = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class FakedClock:
    """How far it is ahead stands in a file, which libfaketime reads at every call."""

    def __init__(self, path):
        self._path = path
        self._ahead_s = 0
        self.step(0)

    def step(self, seconds):
        self._ahead_s += seconds
        other = self._path.with_suffix(".new")
        other.write_text(f"{self._ahead_s:+d}\n", encoding="ascii")
        other.rename(self._path)

    def now_us(self):
        return time.time_ns() // 1000 + self._ahead_s * 1_000_000

    def environment(self):
        return {"LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME_TIMESTAMP_FILE": str(self._path),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}


@unittest.skipUnless(LIBRARIES, "needs libfaketime (Debian: faketime)")
class SetClock(unittest.TestCase):
    def test_each_time_is_answered_by_the_clock_that_showed_it(self):
        with tempfile.TemporaryDirectory(prefix="portd-clock.") as folder:
            clock = FakedClock(pathlib.Path(folder, "ahead"))
            portd = Daemon()
            portd.environment = clock.environment()
            with portd:
                check_all(self, portd, clock)


if __name__ == "__main__":
    unittest.main()
