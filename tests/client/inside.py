"""Run commands in this process: as a person types them, in an environment of their own."""

import io
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from daypass.cli.main import main

Enter = Callable[[Mapping[str, str]], None]


@dataclass(frozen=True)
class Ended:
    """The result of a command, and how much of standard input it read."""

    code: int
    out: str
    err: str
    read: int


def enter(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """Make an environment the one of this process, without the variables of the tests' own."""
    for name in list(os.environ):
        if re.match("(AWS|BOTO|DAYPASS|XDG)_", name):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def type_in(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *, stdin: str = ""
) -> Ended:
    """Run a command and return its result."""
    given = io.StringIO(stdin)
    monkeypatch.setattr(sys, "stdin", given)
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    seen = capfd.readouterr()
    code = ended.value.code
    assert isinstance(code, int)
    return Ended(code, seen.out, seen.err, given.tell())
