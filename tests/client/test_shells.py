"""Quoting: a value reaches the shell unchanged, or is rejected."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.client.programs.shells import find_shell, script

HOSTILE = (
    "$(touch /tmp/x)",
    "`id`",
    "'; rm -rf ~; '",
    '"; x; "',
    "a b",
    "\\",
    "'",
    "$HOME",
    "!!",
    "*",
    "~",
    "-n",
    "&|<>",
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "fish"])
def test_a_real_shell_takes_every_value_as_it_is(shell: str, value: str) -> None:
    """The shell is run if it is installed; values are never executed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    lines = script("fish" if shell == "fish" else "sh", {"DAYPASS_X": value})
    # printenv rather than echo: the variable must have reached the environment.
    done = subprocess.run([shell, "-c", f"{lines}\nprintenv DAYPASS_X"], capture_output=True, text=True, check=True)
    assert done.stdout == value + "\n"


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
@settings(max_examples=30, deadline=None)
def test_sh_takes_any_printable_text(value: str) -> None:
    """Every string is read unchanged by sh."""
    lines = script("sh", {"DAYPASS_X": value})
    done = subprocess.run(["sh", "-c", f"{lines}\nprintenv DAYPASS_X"], capture_output=True, check=True)
    assert done.stdout == value.encode() + b"\n"


@pytest.mark.parametrize("value", ["it's", "\u2018typographic\u2019", "$(x)", "`x`", '"'])
def test_powershell_ends_a_text_at_its_quotes_alone(value: str) -> None:
    """In single quotes only quotation marks, also typographic ones, are special; each is doubled."""
    (line,) = script("powershell", {"X": value}).splitlines()
    inner = line.removeprefix("$Env:X = '").removesuffix("'")
    for mark in "'\u2018\u2019\u201a\u201b":
        inner = inner.replace(mark * 2, mark)
    assert inner == value


@pytest.mark.parametrize("value", ["%PATH%", '"', "a!b", "a^b"])
def test_cmd_is_not_given_what_it_would_expand(value: str) -> None:
    """No form works in cmd both typed and in a file."""
    with pytest.raises(ValueError, match="cmd"):
        script("cmd", {"X": value})


def test_cmd_takes_what_credentials_are_made_of() -> None:
    """Secrets and tokens are letters, digits and / + = _ -."""
    assert script("cmd", {"X": "aB/+=_-&|<>"}, ["Y"]) == 'set "Y="\nset "X=aB/+=_-&|<>"'


@pytest.mark.parametrize("shell", ["sh", "fish", "powershell", "cmd"])
@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\x00", "\x1b[2J", "a\u2028b"])
def test_no_shell_is_given_a_control_character(shell: str, value: str) -> None:
    """A newline in a value is an attack."""
    with pytest.raises(ValueError, match="control"):
        script(shell, {"X": value})


def test_no_shell_is_given_an_odd_name() -> None:
    """A variable's name is letters, digits and underscores."""
    with pytest.raises(ValueError, match="name"):
        script("sh", {"X; id": "1"})


@pytest.mark.parametrize(
    ("environment", "windows", "shell"),
    [
        ({"SHELL": "/usr/bin/fish"}, False, "fish"),
        ({"SHELL": "/bin/zsh"}, False, "sh"),
        ({}, False, "sh"),
        ({"PSModulePath": "x"}, True, "powershell"),
        ({"PSModulePath": "x", "PROMPT": "$P$G"}, True, "cmd"),
    ],
)
def test_the_person_s_shell_is_found(environment: dict[str, str], *, windows: bool, shell: str) -> None:
    """The commands are for the person's shell unless another is named."""
    assert find_shell(environment, windows=windows) == shell
