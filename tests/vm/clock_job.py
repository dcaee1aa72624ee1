"""In a machine of its own: the wall clock is really set."""

import os
import subprocess
import time
import unittest

from clock_steps import check_all
from harness import Daemon


class RealClock:
    def now_us(self):
        return time.time_ns() // 1000

    def step(self, seconds):
        environment = {name: value for name, value in os.environ.items()
                       if name != "LD_LIBRARY_PATH"}
        subprocess.run(["date", "-s", f"@{time.time() + seconds:.3f}"], check=True,
                       stdout=subprocess.DEVNULL, env=environment)


class SetClock(unittest.TestCase):
    def test_each_time_is_answered_by_the_clock_that_showed_it(self):
        with Daemon(interval="1s") as portd:
            check_all(self, portd, RealClock())


if __name__ == "__main__":
    unittest.main()
