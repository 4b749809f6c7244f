"""The command line as a whole: its help, its completion, and its errors for unknown words."""

import importlib
import json
import subprocess
import sys

import click
import pytest

from daypass.cli.main import COMMANDS, FOR_OPERATORS, FOR_PEOPLE, cli, main
from daypass.client import problems

HEAVY = ("botocore", "rich", "sqlalchemy", "lxml", "starlette", "cryptography", "daypass.wiring", "daypass.storage")
RUN = """
import contextlib, json, sys
sys.argv[0] = "daypass"
from daypass.cli.main import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit as error:
    code = error.code
loaded = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
print(json.dumps([code, loaded]), file=sys.stderr)
"""


def run(*words: str) -> tuple[str, str, int, list[str]]:
    """Return a command's output, its exit code, and the heavy modules that it imported."""
    program = [sys.executable, "-c", RUN, json.dumps(words), json.dumps(HEAVY)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    said, _, last = done.stderr.rstrip("\n").rpartition("\n")
    code, loaded = json.loads(last)
    return done.stdout, said, int(code or 0), loaded


def test_the_help_lists_every_command_and_imports_none() -> None:
    """The list of commands is printed without importing them."""
    out, _, code, loaded = run("--help")
    assert (code, loaded) == (0, [])
    for name, (_, words) in COMMANDS.items():
        assert name in out
        assert words.split()[0] in out


@pytest.mark.parametrize("name", sorted(FOR_PEOPLE))
def test_the_help_of_a_command_for_people_is_light(name: str) -> None:
    """These commands import the server, botocore and rich only when they are used."""
    out, _, code, loaded = run(name, "--help")
    assert (code, loaded) == (0, [])
    assert out.startswith("Usage: daypass")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_of_the_table_is_there(name: str) -> None:
    """The module has a command, and the command and all its options have help texts."""
    command = importlib.import_module(COMMANDS[name][0]).command
    assert isinstance(command, click.Command)
    ends = [command] if not isinstance(command, click.Group) else [command, *command.commands.values()]
    for each in ends:
        assert each.help, each.name
        assert all(option.help for option in each.params if isinstance(option, click.Option)), each.name


def test_no_command_stands_twice() -> None:
    """A command is either for people or for operators."""
    assert not set(FOR_PEOPLE) & set(FOR_OPERATORS)


@pytest.mark.parametrize(
    ("words", "help_words"),
    [
        (("logn",), "Did you mean `daypass login`"),
        (("xyzzy",), "`daypass --help`"),
        (("whoami", "--profil", "x"), "--profile"),
        (("profile", "lst"), "list"),
        (("assume",), "`daypass assume --help`"),
        (("sts",), "`daypass sts --help`"),
        (("login", "--via", "telepathy"), "device"),
        (("--nonsense",), "`daypass --help`"),
        (("assume", "r", "--duration", "soon"), "45m"),
    ],
)
def test_a_word_that_is_not_known_is_one_sentence(words: tuple[str, ...], help_words: str) -> None:
    """Exit code 2 and one line that suggests the right word."""
    out, said, code, _ = run(*words)
    assert (code, out) == (2, "")
    assert len(said.splitlines()) == 1, said
    assert said.startswith("daypass: ")
    assert help_words in said


def test_commands_are_completed_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completion must respond at once."""
    for name, value in (("_DAYPASS_COMPLETE", "bash_complete"), ("COMP_WORDS", "daypass "), ("COMP_CWORD", "1")):
        monkeypatch.setenv(name, value)
    out, _, _, loaded = run()
    assert loaded == []
    assert {line.removeprefix("plain,") for line in out.split()} == set(COMMANDS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (problems.BadUsageError("Words."), 2),
        (problems.SignInNeededError("Words."), 3),
        (problems.RefusedError("Words."), 4),
        (problems.ExpiredError("Words."), 5),
        (problems.MisconfiguredError("Words."), 6),
        (problems.NoAnswerError("Words."), 7),
        (problems.BrowserSignInError("Words."), 8),
        (problems.LockedError("Words."), 9),
        (PermissionError(13, "Permission denied", "/x"), 9),
        (OSError(28, "No space left on device", "/x"), 9),
        (ZeroDivisionError("division by zero\n\x1b[2J"), 1),
        (RecursionError("too deep"), 1),
        (click.UsageError("Words."), 2),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_failure_has_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts rely on the numbers, people on one sentence. The traceback needs DAYPASS_DEBUG."""

    @cli.command("fail")
    def fail() -> None:
        raise error

    monkeypatch.setitem(COMMANDS, "fail", (__name__, ""))
    monkeypatch.setattr(sys.modules[__name__], "command", fail, raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["fail"])
    seen = capsys.readouterr()
    assert (ended.value.code, seen.out) == (code, "")
    assert len(seen.err.strip().splitlines()) == (0 if code == 130 else 1), seen.err
    assert "\x1b" not in seen.err
    monkeypatch.setenv("DAYPASS_DEBUG", "1")
    with pytest.raises(SystemExit):
        main(["fail"])
    assert ("Traceback" in capsys.readouterr().err) == (not isinstance(error, click.UsageError) and code != 130)


@pytest.mark.parametrize("name", sorted(set(FOR_OPERATORS) - {"serve"}))
def test_the_help_of_a_command_for_operators_loads_no_server(name: str) -> None:
    """The server, and the store's database library, are imported when the store is opened."""
    out, _, code, loaded = run(name, "--help")
    assert code == 0
    assert not {"sqlalchemy", "starlette", "daypass.wiring"} & set(loaded)
    assert out.startswith("Usage: daypass")
