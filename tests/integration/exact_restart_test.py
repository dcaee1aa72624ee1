"""A restart of the daemon leaves no hole and nothing twice, whenever it is killed."""

import os
import sys
import unittest

from harness import need_ebpf, wait_until
from kills import Figures, kill_at_random, play_round
from supervisor import Supervised
from truth import compare, play

# While portd is dead, events wait in the ring.
ROOM = ("--ring-size", "16M")


def gaps_of(portd):
    return portd.status()["gaps"]


@need_ebpf
class Restart(unittest.TestCase):
    def test_killed_at_random_moments_under_load(self):
        with Supervised("--capture", "ebpf", *ROOM) as portd:
            figures = Figures()
            play_round(portd, kill_at_random(15), figures)
            print(figures, file=sys.stderr)
            self.assertTrue(figures.is_good, "\n".join([str(figures), *figures.examples,
                                                        portd.log()[-2000:]]))

    def test_what_happens_while_it_is_dead_is_told_afterwards(self):
        with Supervised("--capture", "ebpf", *ROOM) as portd:
            for how in (portd.kill, portd.stop):
                how()
                truth = play(portd, "programs", "--count", 50)
                portd.start()
                comparison = compare(portd, truth)
                self.assertTrue(comparison.is_exact, str(comparison))
            self.assertEqual(gaps_of(portd), [])

    def test_descriptors_of_other_settings_are_dropped_and_the_time_is_a_gap(self):
        with Supervised("--capture", "ebpf", "--ports", "all") as portd:
            portd.wait_samples()
            portd.kill()
            before = [os.readlink(f"/proc/self/fd/{fd}") for _, fd in portd.kept]
            portd.options[portd.options.index("all")] = "dynamic"
            portd.start()
            self.assertEqual([gap["cause"] for gap in gaps_of(portd)], ["changeover"])
            self.assertIn("other settings", portd.log())
            self.assertEqual(len(portd.kept), len(before), "the old ones were dropped")
            portd.kill()
            portd.start()
            self.assertEqual(len(gaps_of(portd)), 1, "the new ones are gone on with")

    def test_a_part_of_the_descriptors_is_not_gone_on_with(self):
        with Supervised("--capture", "ebpf") as portd:
            portd.wait_samples()
            portd.kill()
            name, fd = next(kept for kept in portd.kept if kept[0] == "portd-hook")
            portd.kept.remove((name, fd))
            os.close(fd)
            portd.start()
            self.assertEqual([gap["cause"] for gap in gaps_of(portd)], ["changeover"])

    def test_another_history_is_not_gone_on_with(self):
        with Supervised("--capture", "ebpf") as portd:
            portd.wait_samples()
            portd.kill()
            for path in portd.state.iterdir():
                path.unlink()
            portd.start()
            self.assertIn("not the one that was kept", portd.log())

    def test_another_tier_leaves_none(self):
        with Supervised("--capture", "ebpf") as portd:
            portd.wait_samples()
            portd.kill()
            portd.options[portd.options.index("ebpf")] = "procfs"
            portd.start()
            wait_until(lambda: not portd.kept, what="that the descriptors are dropped")
            self.assertEqual([gap["cause"] for gap in gaps_of(portd)], ["changeover"])


if __name__ == "__main__":
    unittest.main()
