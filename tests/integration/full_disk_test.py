"""A short round of tests/soak/full_disk."""

import random
import unittest

from full_disk import Figures, play
from harness import need_ebpf, need_root


@need_root
@need_ebpf
class FullDisk(unittest.TestCase):
    def test_nothing_is_lost_in_silence(self):
        figures = Figures()
        play(6, figures, random.Random(4))
        print(figures)
        self.assertTrue(figures.is_good, str(figures))
        # Told when it changes, not at each attempt.
        self.assertLessEqual(figures.told, 3 * (figures.fillings + figures.restarts))


if __name__ == "__main__":
    unittest.main()
