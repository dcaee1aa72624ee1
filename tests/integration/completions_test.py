"""The completions of bash, zsh and fish offer the verbs and options that portd-ctl has."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BIN

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "packaging/completions"
HOME = tempfile.TemporaryDirectory(prefix="portd-home.")  # fish writes there
# No portd is asked, though one may run here.
ENVIRONMENT = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": HOME.name, "LC_ALL": "C.UTF-8",
               "PORTD_SOCKET": "/nonexistent/socket"}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=60,
                          stdin=subprocess.DEVNULL)


def help_of(*verb):
    return run("portd-ctl", *verb, "--help").stdout


def verbs():
    """From the message about a verb that there is not, which lists the table."""
    told = run("portd-ctl", "frobnicatexyz").stderr
    return set(told.strip().rsplit("there are ", 1)[1].split(", "))


def options(*verb):
    """Those that the command line takes: each word of the help that looks like one is tried."""
    words = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", help_of(*verb)))
    return {word for word in words
            if "unknown option" not in run("portd-ctl", *verb, word, "--version").stderr}


class Bash(unittest.TestCase):
    def complete(self, *words):
        script = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _portd_ctl; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        result = run("bash", "-c", script, FOLDER / "portd-ctl.bash", *words)
        self.assertEqual(result.stderr, "")
        return set(result.stdout.split())

    def test_verbs(self):
        self.assertLessEqual({"history", "who", "list", "audit", "status"}, verbs())
        self.assertEqual(self.complete("portd-ctl", ""), verbs())
        self.assertEqual(self.complete("portd-ctl", "--json", "hist"), {"history"})
        self.assertEqual(self.complete("portd-ctl", "--color", "never", "who"), {"who"})

    def test_options_of_every_verb(self):
        for verb in verbs():
            with self.subTest(verb):
                expected = options(verb) | options()
                self.assertIn("--socket", expected)
                self.assertEqual(self.complete("portd-ctl", verb, "--"), expected)

    def test_values(self):
        self.assertEqual(self.complete("portd-ctl", "list", "--proto", ""), {"tcp", "udp"})
        self.assertEqual(self.complete("portd-ctl", "list", "--proto", "=", "u"), {"udp"})
        self.assertEqual(self.complete("portd-ctl", "list", "-o", "v"), {"verbose"})
        self.assertEqual(self.complete("portd-ctl", "audit", "--by", ""),
                         {"program", "unit", "user", "peer"})
        # What it cannot know it does not offer.
        self.assertEqual(self.complete("portd-ctl", "history", "--since", ""), set())

    # Each word that is offered is one that the option takes.
    def test_words_are_taken(self):
        for verb, option in (("list", "--output"), ("list", "--proto"), ("history", "--role"),
                             ("history", "--outcome"), ("audit", "--by"), ("audit", "--sort"),
                             ("list", "--color")):
            for word in self.complete("portd-ctl", verb, option, ""):
                with self.subTest(f"{option} {word}"):
                    # 3: it was understood, and there is no daemon at that socket.
                    result = run("portd-ctl", verb, option, word, "--socket", "/nonexistent/socket")
                    self.assertEqual(result.returncode, 3, result.stderr)


@unittest.skipUnless(shutil.which("zsh"), "no zsh here")
class Zsh(unittest.TestCase):
    def complete(self, *words):
        """What is offered, with compadd and _describe in the places of zsh's own."""
        script = ('compadd() { while [[ $1 == -* && $1 != --?* ]]; do [[ $1 == -- ]] && { shift; break }; shift; done;'
                  ' print -l -- "$@" }; _describe() { local n=$2; print -l -- ${${(P)n}%%:*} };'
                  ' _files() { :; }; _users() { :; }; compdef() { :; };'
                  ' words=("$@"); CURRENT=$#; PREFIX=${words[-1]}; source "$0"')
        result = run("zsh", "-fc", script, FOLDER / "_portd-ctl", *words)
        self.assertEqual(result.stderr, "")
        return set(result.stdout.split())

    def test_verbs_and_options(self):
        self.assertEqual(self.complete("portd-ctl", ""), verbs())
        for verb in verbs():
            with self.subTest(verb):
                self.assertEqual(self.complete("portd-ctl", verb, "--"), options(verb) | options())
        self.assertEqual(self.complete("portd-ctl", "audit", "--by", ""),
                         {"program", "unit", "user", "peer"})
        self.assertEqual(self.complete("portd-ctl", "history", "--since", ""), set())


@unittest.skipUnless(shutil.which("fish"), "no fish here")
class Fish(unittest.TestCase):
    def complete(self, line):
        result = run("fish", "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]',
                     FOLDER / "portd-ctl.fish", line)
        self.assertEqual(result.stderr, "")
        return {word.split("\t")[0] for word in result.stdout.splitlines()}

    def test_verbs_and_options(self):
        self.assertEqual(self.complete("portd-ctl "), verbs())
        for verb in verbs():
            with self.subTest(verb):
                self.assertEqual(self.complete(f"portd-ctl {verb} --"), options(verb) | options())
        self.assertEqual(self.complete("portd-ctl audit --by "), {"program", "unit", "user", "peer"})


if __name__ == "__main__":
    unittest.main()
