"""Prompts go to the terminal, also if standard input, output and error are redirected."""

import base64
import json
import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest
from tests.client.machine import ACCOUNT, Machine
from tests.sts.authenticator import Authenticator

# The first terminal that a leader of a session opens becomes its own.
_ON_A_TERMINAL = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execvp(sys.argv[2], sys.argv[2:])"


class Seated:
    """A command at a terminal, with redirected standard streams."""

    def __init__(self, machine: Machine, *words: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_A_TERMINAL, os.ttyname(slave), *words],
            env=machine.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self._slave = slave
        self.screen = ""

    def sees(self, pattern: str) -> None:
        """Wait until the terminal shows something."""
        end = time.monotonic() + 30
        while time.monotonic() < end and not re.search(pattern, self.screen):
            if select.select([self._master], [], [], 0.1)[0]:
                self.screen += os.read(self._master, 65_536).decode()
        assert re.search(pattern, self.screen), self.screen

    def types(self, text: str) -> None:
        """Type a text as fast as the terminal accepts it."""
        data = text.encode()
        while data:
            data = data[os.write(self._master, data[:1024]) :]
            time.sleep(0.002)  # a person's terminal takes a paste in pieces

    def ends(self) -> tuple[int, str, str]:
        """Return the exit code and the output on the two streams."""
        out, err = self.process.communicate(timeout=30)
        os.close(self._master)
        os.close(self._slave)
        return self.process.returncode, out, err


def test_a_credential_process_asks_on_the_terminal_alone(machine: Machine, device: Authenticator) -> None:
    """The prompt is not on standard output or error; the output is one JSON document."""
    words = ("profile", "add", "careful", "--role", "careful", "--source-profile", "ann", "--mfa-serial", "auto")
    machine.good(*words)
    seated = Seated(machine, "daypass", "credential-process", "--profile", "careful")
    seated.sees("MFA code for .*phone: ")
    seated.types(device.code() + "\n")
    code, out, err = seated.ends()
    assert (code, err) == (0, ""), (out, err)
    assert json.loads(out)["Version"] == 1
    # The session is cached: tools that start now do not prompt.
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "careful")
    assert shown.json["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/careful/")


def test_a_code_comes_from_a_command(machine: Machine, device: Authenticator) -> None:
    """No terminal is needed if a command prints the code; a wrong code has exit code 5."""
    words = ("assume", "careful", "--profile", "ann", "--mfa-serial", device.serial, "--output", "process")
    assert machine.daypass(*words, "--mfa-command", f"echo {device.code()}").code == 0
    done = machine.daypass(*words, "--fresh", "--mfa-code", device.wrong())
    assert done.code == 5, done
    assert "next code" in done.err


def test_without_a_terminal_the_way_out_is_named(machine: Machine, device: Authenticator) -> None:
    """The command does not wait for input that cannot come."""
    done = machine.daypass("assume", "careful", "--profile", "ann", "--mfa-serial", "auto")
    assert (done.code, done.out) == (3, "")
    assert "--mfa-command" in done.err


def test_a_secret_is_typed_without_being_seen(machine: Machine) -> None:
    """Only the prompt is visible."""
    words = ("profile", "add", "typed", "--access-key-id", "AKIAIOSFODNN7EXAMPLE", "--region", "eu-west-1")
    seated = Seated(machine, "daypass", *words)
    seated.sees("Secret access key: ")
    seated.types("abcdefghij" * 4 + "\n")
    assert seated.ends()[0] == 0
    assert "abcdefghij" not in seated.screen
    assert "abcdefghij" * 4 in machine.credentials.read_text()


def test_a_long_response_is_pasted_whole(machine: Machine) -> None:
    """A terminal cuts lines at 4,096 characters; a SAML response is longer and arrives whole, and unseen."""
    text = base64.b64encode(b"<Response>" + b"x" * 20_000 + b"</Response>").decode()
    words = ("login", "saml", "--via", "paste", "--endpoint-url", machine.server.url, "--role", "123456789012/deploy")
    seated = Seated(machine, "daypass", *words, "--provider-arn", f"arn:aws:iam::{ACCOUNT}:saml-provider/none")
    seated.sees("Paste the SAMLResponse: ")
    seated.types(f"\x1b[200~{text}\x1b[201~\r")
    code, out, err = seated.ends()
    assert (code, out) == (5, ""), err
    assert "Specified provider doesn't exist" in err
    assert text[:100] not in seated.screen


def test_a_profile_that_is_its_own_source_does_not_run_for_ever(machine: Machine) -> None:
    """Two processes that call each other stop at the second."""
    with machine.config.open("a") as config:
        config.write("[profile loop]\ndaypass_method = session\n")
        config.write("credential_process = daypass credential-process --profile loop\n")
    done = machine.daypass("credential-process", "--profile", "loop", AWS_PROFILE="loop")
    assert done.code == 6, done
    assert "itself as its source" in done.err


_HOSTILE = "a\x9b31mb\u202ec\x85"


@pytest.mark.parametrize("output", ["text", "json", "yaml", "table"])
def test_a_terminal_shows_untrusted_text_and_does_not_obey_it(machine: Machine, output: str) -> None:
    """Control and bidirectional characters are replaced on a terminal; a program gets all characters."""
    words = ("daypass", "profile", "list", "--output", output, "--query", f"'{_HOSTILE}'")
    master, slave = pty.openpty()
    with subprocess.Popen(words, env=machine.environment, stdin=subprocess.DEVNULL, stdout=slave) as process:
        os.close(slave)
        shown = bytearray()
        while True:
            try:
                piece = os.read(master, 65_536)
            except OSError:  # the last who could write has gone
                break
            if not piece:
                break
            shown += piece
        assert process.wait() == 0
    os.close(master)
    text = shown.decode()
    assert "31mb" in text
    assert not {"\x9b", "\u202e", "\x85"} & set(text)
    if output in {"text", "json"}:
        assert _HOSTILE in machine.good(*words[1:]).out
