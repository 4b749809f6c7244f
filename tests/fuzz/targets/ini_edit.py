"""Edits of an AWS configuration file: other lines stay, and edits are idempotent."""

import configparser
import re

from tests.fuzz.choices import Choices

from daypass.client.problems import UserFacingError
from daypass.client.profiles.ini_edit import remove_section, rename_section, section_names, set_options

_SECTIONS = ("default", "profile a", "profile b", "services d", 'profile "two words"')
_KEYS = ("region", "sts", "daypass_role_arn", "aws_access_key_id", "a")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?")
_LINES = (
    "[default]\n",
    "[profile a]\n",
    "[profile b]\r\n",
    "[services d]\n",
    "region = x\n",
    "sts =\n  endpoint_url = u\n",
    "# comment\n",
    "; comment\r\n",
    "\n",
    "  indented = 1\n",
    "\tdeeper\n",
    "a\n",
    "a: b\r",
)


def fuzz_one(data: bytes) -> None:
    """Set, remove and rename in a file of arbitrary lines."""
    choices = Choices(data)
    section, key = choices.pick(_SECTIONS), choices.pick(_KEYS)
    value: str | dict[str, str] | None = choices.pick(("v", None, "value = with # signs", {"endpoint_url": "w"}))
    if choices.flag():
        value = choices.text()
    text = _text(choices)
    try:
        changed = set_options(text, section, {key: value})
    except UserFacingError:
        changed = text
    else:
        assert set_options(changed, section, {key: value}) == changed, "an edit made twice"
        _check_set(text, changed, section, key, value)
    _check_removed(changed, section)
    _check_renamed(changed, section)


def _text(choices: Choices) -> str:
    lines: list[str] = []
    while not choices.is_over:
        lines.append(choices.pick(_LINES) if choices.below(4) else choices.text())
    return "".join(lines)


def _check_set(text: str, changed: str, section: str, key: str, value: str | dict[str, str] | None) -> None:
    before, after = section_names(text), section_names(changed)
    assert after == (before if section in before else (*before, section)), "other sections"
    lines = [line for line in _LINE.findall(text) if line]
    _check_in_order([line for line in lines if not _may_change(line, key)], changed)
    old, new = _parsed(text), _parsed(changed)
    if old is None:
        return
    assert new is not None, "tools can no longer read the file"
    for name in old.sections():
        kept = {option: old.get(name, option) for option in old.options(name) if (name, option) != (section, key)}
        now = {option: new.get(name, option) for option in new.options(name) if (name, option) != (section, key)}
        assert kept == now, name
    if isinstance(value, str):
        assert new.get(section, key) == value
    elif isinstance(value, dict):
        nested = [line.replace(" ", "") for line in new.get(section, key).splitlines()]
        assert "endpoint_url=w" in nested, "a nested setting that tools do not see"
    elif value is None:
        assert not new.has_option(section, key)


def _may_change(line: str, key: str) -> bool:
    # The option's own line, and lines that may be part of its value. A last line may get a line end.
    return line.strip().lower().startswith(key) or line[:1].isspace() or not line.endswith(("\n", "\r"))


def _check_in_order(lines: list[str], changed: str) -> None:
    at = 0
    for line in lines:
        found = changed.find(line, at)
        assert found >= 0, f"lost: {line!r}"
        at = found + len(line)


def _parsed(text: str) -> configparser.RawConfigParser | None:
    """Return the file as botocore reads it, or None if it cannot."""
    parser = configparser.RawConfigParser(default_section="there is no default section")
    try:
        # Python opens a text file with universal newlines: every form of line end is equal.
        parser.read_string(text.replace("\r\n", "\n").replace("\r", "\n"))
    except configparser.Error:
        return None
    return parser


def _check_removed(text: str, section: str) -> None:
    try:
        removed = remove_section(text, section)
    except UserFacingError:
        return
    names = section_names(text)
    assert section_names(removed) == tuple(name for name in names if name != section)
    if section not in names:
        assert removed == text


def _check_renamed(text: str, section: str) -> None:
    try:
        renamed = rename_section(text, section, "profile renamed")
    except UserFacingError:
        return
    names = section_names(text)
    assert section_names(renamed) == tuple("profile renamed" if name == section else name for name in names)
    pieces = text.split(f"[{section}]")
    possible = [
        f"[{section}]".join(pieces[:at]) + "[profile renamed]" + f"[{section}]".join(pieces[at:])
        for at in range(1, len(pieces))
    ]
    assert renamed in possible if section in names else renamed == text
