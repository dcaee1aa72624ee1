"""256 clients that do all they can to get in the way of another, in a process of their own:

    hostile_attacker.py SOCKET

until its input ends; then it prints how often it was served and refused. It imports nothing of the tests, as
it runs as a user who may not read them."""

import json
import os
import random
import resource
import socket
import sys
import threading
import time

CLIENTS = 256


def message(method, parameters=None, **more):
    return json.dumps({"method": method, "parameters": parameters or {}, **more}).encode() + b"\0"


HISTORY = message("io.portd.Ports.History", more=True)
STATUS = message("io.portd.Ports.Status")
DEEP = b'{"method":"io.portd.Ports.Status","parameters":' + b"[" * 60_000
HUGE = b'{"method":"' + b"x" * 10_000_000


class Hostile:
    """One client after another on a place of its own, each with a trick that is its number's."""

    def __init__(self, path, number):
        self.path, self.number = path, number
        self.random = random.Random(number)
        self.socket, self.rest = None, b""
        self.refused = self.served = 0

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setblocking(False)
        trick = self.number % 8
        if trick == 1:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        try:
            self.socket.connect(self.path)
        except OSError:
            return self.drop()
        self.rest = {
            0: STATUS * 50,          # dribbled, one byte at a time
            1: HISTORY * 200,        # never read
            2: HUGE,                 # one message without an end
            3: DEEP,                 # nested deeper than any stack
            4: b"\0" * 4096,         # messages of nothing
            5: os.urandom(4096),     # no messages
            6: (HISTORY + STATUS)[:self.random.randrange(1, 150)],  # hangs up at any byte
            7: STATUS * 2000,        # endless calls, answers read
        }[trick]

    def drop(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def turn(self):
        if not self.socket:
            return self.connect()
        trick = self.number % 8
        size = {0: 1, 6: len(self.rest)}.get(trick, 65536)
        try:
            if self.rest:
                self.rest = self.rest[self.socket.send(self.rest[:size]):]
            elif trick == 6:
                return self.drop()
            if trick not in (1,):
                received = self.socket.recv(65536)
                self.served += bool(received)
                if b"LimitExceeded" in received:
                    self.refused += 1
                if not received:
                    self.drop()
        except BlockingIOError:
            if not self.rest and trick != 1:
                self.drop()
        except OSError:
            self.drop()


def attack(path):
    """In a process of its own, until its input ends."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    clients = [Hostile(path, number) for number in range(CLIENTS)]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    print("ready", flush=True)
    while not stop.is_set():
        for client in clients:
            client.turn()
        time.sleep(0.001)
    print(json.dumps({"served": sum(c.served for c in clients),
                      "refused": sum(c.refused for c in clients)}), flush=True)


attack(sys.argv[1])
