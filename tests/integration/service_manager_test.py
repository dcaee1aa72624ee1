"""What a service manager can ask of portd: the socket that it passes, settings that are read again,
pings that tell that it works."""

import fcntl
import os
import socket
import time
import unittest

import supervisor
from harness import free_port, wait_until


class Managed(supervisor.Supervised):
    """A portd whose socket was made by its manager, with a settings file."""

    def __init__(self, settings="", watchdog_us=None, **keywords):
        super().__init__(**keywords)
        self.settings = self.folder / "portd.toml"
        self.settings.write_text(settings)
        at = self.options.index("--config")
        self.options[at + 1] = self.settings
        at = self.options.index("--interval")
        del self.options[at:at + 2]
        self.watchdog_us = watchdog_us
        self.said = []
        with socket.socket(socket.AF_UNIX) as made:
            # Out of the way of what a child closes.
            number = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, supervisor.LOWEST_KEPT)
        self.listener = socket.socket(fileno=number)
        self.listener.bind(str(self.socket))
        os.chmod(self.socket, 0o666)
        self.listener.listen(16)

    def _obey(self, fields, descriptors):
        self.said.append(fields)
        super()._obey(fields, descriptors)

    def passed(self):
        return [*super().passed(), ("varlink", self.listener.fileno())]

    def spawn_environment(self):
        more = {} if self.watchdog_us is None else {"WATCHDOG_USEC": str(self.watchdog_us)}
        return {**super().spawn_environment(), **more}

    def reload(self, settings):
        self.settings.write_text(settings)
        before = len(self.said)
        os.kill(self.process.pid, 1)
        wait_until(lambda: any(fields.get("READY") == "1" for fields in self.said[before:]),
                   what="that portd is ready again")
        return self.said[before:]

    def close(self):
        self.listener.close()
        return super().close()


class ServiceManagerTest(unittest.TestCase):
    def test_a_socket_that_is_passed_stays_through_a_restart(self):
        with Managed() as portd:
            inode = os.stat(portd.socket).st_ino
            self.assertEqual(portd.ctl("status").returncode, 0)
            self.assertEqual(portd.stop(), 0)
            self.assertEqual(os.stat(portd.socket).st_ino, inode)
            # Who asks while nobody runs waits for the next one.
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(portd.socket))
                client.sendall(b'{"method":"io.portd.Ports.Status"}\0')
                portd.start()
                client.settimeout(30)
                self.assertIn(b'"version"', client.recv(65536))
            self.assertEqual(os.stat(portd.socket).st_ino, inode)

    def test_a_reload_applies_settings_and_loses_nothing(self):
        with Managed("interval = '1h'\n") as portd:
            port = free_port()
            with socket.create_server(("127.0.0.1", port)):
                said = portd.reload("interval = '100ms'\nports = 'all'\n[store]\nmax_size = '64M'\n")
                self.assertEqual(said[0].get("RELOADING"), "1")
                self.assertIn("MONOTONIC_USEC", said[0])
                wait_until(lambda: portd.status()["intervalUsec"] == 100_000,
                           what="the new interval")
                portd.wait_samples()
                self.assertEqual(portd.status()["ports"], "dynamic")
                self.assertIn("after a restart only: ports", portd.log())
            portd.wait_samples()
            # The self-check of portd may have listened at the same port before.
            leases = portd.leases("history", port, "--role", "listener", "--pid", os.getpid())
            self.assertEqual(len(leases), 1, leases)
            self.assertIn("freed", leases[0])
            self.assertEqual(portd.status()["gaps"], [])

    def test_settings_with_a_mistake_change_nothing(self):
        with Managed("interval = '200ms'\n") as portd:
            portd.reload("interval = '300ms'\nbad = 1\n")
            self.assertEqual(portd.status()["intervalUsec"], 200_000)
            self.assertIn("portd.toml:2: unknown key 'bad'", portd.log())
            portd.reload("interval = '300ms'\n")
            wait_until(lambda: portd.status()["intervalUsec"] == 300_000, what="the new interval")

    def test_it_pings_while_it_works_and_not_while_it_is_stopped(self):
        with Managed("interval = '1h'\n", watchdog_us=400_000) as portd:
            pings = lambda: sum("WATCHDOG" in fields for fields in portd.said)
            wait_until(lambda: pings() >= 3, what="the third ping")
            os.kill(portd.process.pid, 19)
            time.sleep(0.5)
            stopped = pings()
            time.sleep(1)
            self.assertEqual(pings(), stopped)
            os.kill(portd.process.pid, 18)
            wait_until(lambda: pings() > stopped, what="a ping after it goes on")


if __name__ == "__main__":
    unittest.main()
