"""Editing an AWS configuration file: one section changes, all other bytes stay."""

import configparser
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.client.problems import BadUsageError, MisconfiguredError
from daypass.client.profiles.ini_edit import remove_section, rename_section, section_names, set_options

ODD = (
    "junk before any section\r\n"
    "; a comment\r\n"
    "[default]\r\n"
    "\tregion=eu-west-1\r\n"
    "\ts3 =\r\n\t\tmax_concurrent_requests = 20\r\n\t\t# inner\r\n\t\taddressing_style = path\r\n"
    "\r\n\r\n# mine\r\n"
    '[profile "two words"]\r\nnovalue\r\nKey : x  ; not a comment\r\n'
    "[weird section] trailing\r\na = 1\r\n"
    "[profile last]\r\nregion = us-east-1"
)


def test_an_option_is_changed_in_its_line_alone() -> None:
    """The line keeps its indent, its sign and its line end."""
    assert set_options(ODD, "default", {"region": "us-west-2"}) == ODD.replace("eu-west-1", "us-west-2")


def test_an_option_is_added_at_the_section_s_own_depth() -> None:
    """A deeper line would become part of the value before it, so that the indent of the others is taken."""
    changed = set_options(ODD, "default", {"output": "json"})
    assert changed == ODD.replace("style = path\r\n", "style = path\r\n\toutput = json\r\n")


def test_a_section_without_a_line_end_keeps_having_none() -> None:
    """The last line of a file may lack its end."""
    assert set_options(ODD, "profile last", {"output": "json"}) == ODD + "\r\noutput = json"


def test_a_new_section_follows_a_blank_line() -> None:
    """It is appended with the file's own line ends."""
    assert set_options(ODD, "profile x", {"a": "1"}) == ODD + "\r\n\r\n[profile x]\r\na = 1\r\n"


def test_a_removed_option_takes_its_nested_lines_along() -> None:
    """Lines that are indented below an option are its value."""
    changed = set_options(ODD, "default", {"s3": None})
    assert "max_concurrent" not in changed
    assert "# mine" in changed


@pytest.mark.parametrize(("value", "line"), [("v", "region = v\n"), (None, "")], ids=["another value", "no value"])
def test_comments_inside_a_value_stay(value: str | None, line: str) -> None:
    """A value may go on below a comment. The value goes, the comment is the person's."""
    text = "[default]\nregion = x\n; first\n\n  # second\n  deeper\n# third\n[b]\n"
    assert set_options(text, "default", {"region": value}) == f"[default]\n{line}; first\n  # second\n# third\n[b]\n"


def test_comments_inside_a_doubled_option_stay() -> None:
    """The last of two options of one name counts. The other goes without its comment."""
    text = "[default]\nregion = x\n# first\n  deeper\nregion = y\n"
    assert set_options(text, "default", {"region": "v"}) == "[default]\n# first\nregion = v\n"


def test_a_nested_block_changes_one_line() -> None:
    """In a services section the lines and comments of others stay."""
    text = "[services d]\nsts =\n    # ours\n    endpoint_url = http://old\n    other = 1\n"
    assert set_options(text, "services d", {"sts": {"endpoint_url": "http://new"}}) == text.replace("old", "new")


def test_a_removed_section_leaves_the_next_one_s_comments() -> None:
    """The comment above a header belongs to that header."""
    assert remove_section("[a]\nx = 1\n\n# about b\n[b]\ny = 2\n", "a") == "# about b\n[b]\ny = 2\n"


def test_a_renamed_section_keeps_what_follows_its_header() -> None:
    """Only the name between the brackets changes."""
    assert rename_section(ODD, "weird section", "x") == ODD.replace("[weird section] trailing", "[x] trailing")


def test_a_section_that_stands_twice_is_not_guessed_at() -> None:
    """Which of the two counts differs between tools; the person must say."""
    with pytest.raises(MisconfiguredError, match="twice"):
        set_options("[a]\nx = 1\n[a]\nx = 2\n", "a", {"x": "3"})


@pytest.mark.parametrize("first", ["\n", "# ours\n", "\n; ours\n", "        # ours\n"])
def test_a_nested_setting_is_as_deep_as_its_block(first: str) -> None:
    """A setting that is not deeper than its option would be an option of its own, and the server's URL be lost."""
    text = f"[services d]\nsts =\n{first}    other = 1\n"
    changed = set_options(text, "services d", {"sts": {"endpoint_url": "http://new"}})
    assert changed == f"[services d]\nsts =\n    endpoint_url = http://new\n{first}    other = 1\n"
    assert set_options(changed, "services d", {"sts": {"endpoint_url": "http://new"}}) == changed


def test_a_nested_setting_is_deeper_than_an_indented_option() -> None:
    """Also where the block is empty."""
    changed = set_options("[services d]\n    sts =\n", "services d", {"sts": {"endpoint_url": "u"}})
    assert changed == "[services d]\n    sts =\n      endpoint_url = u\n"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("[s]\nsts =", "[s]\nsts =\n  endpoint_url = u"),
        ("[s]\r\nsts =  \r\n", "[s]\r\nsts =  \r\n  endpoint_url = u\r\n"),
        ("[s]\nsts", "[s]\nsts =\n  endpoint_url = u"),
        ("[s]\nsts : x\n", "[s]\nsts :\n  endpoint_url = u\n"),
        ("[s]\nsts =\n  a = 1", "[s]\nsts =\n  endpoint_url = u\n  a = 1"),
    ],
)
def test_a_block_begins_on_a_line_of_its_own(text: str, changed: str) -> None:
    """Also where the option's line is the last of the file, has no sign, or had one value."""
    assert set_options(text, "s", {"sts": {"endpoint_url": "u"}}) == changed


def test_an_indented_section_is_not_swallowed() -> None:
    """Below an option that is less indented, a header would become a part of its value, and the section be gone."""
    with pytest.raises(MisconfiguredError, match="by hand"):
        set_options("[default]\n  [profile b]\n  x = 1\n", "default", {"region": "v"})
    with pytest.raises(MisconfiguredError, match="by hand"):
        remove_section("[a]\nx = 1\n[b]\n  y = 1\n  [c]\n", "b")


@pytest.mark.parametrize("value", ["a\nb", "a\r[x]", "\x00", "x\x1b[2J", "", " x", "x\u2028y", "x\u0085y"])
def test_a_value_that_could_begin_a_line_is_refused(value: str) -> None:
    """A server's value must not become a setting of its own, nor move a cursor."""
    with pytest.raises(BadUsageError):
        set_options("", "a", {"x": value})


@pytest.mark.parametrize("name", ["a]\n[b", "", "a]", "a\tb"])
def test_a_name_that_could_end_a_header_is_refused(name: str) -> None:
    """A profile's name stays between its brackets."""
    with pytest.raises(BadUsageError):
        set_options("", name, {"x": "1"})


_NAMES = st.sampled_from(["default", "profile a", "profile b", "services s"])
_LINES = st.sampled_from(
    ["", "# note", "; [default]", "region = x", "region=y", " indented = 1", "\tdeep = 2", "    # deep note", "sts ="]
)


@given(
    st.lists(st.tuples(_NAMES, st.lists(_LINES, max_size=6)), max_size=4, unique_by=lambda each: each[0]),
    _NAMES,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["closed", "open"]),
)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_and_all_else_is_as_before(
    sections: list[tuple[str, list[str]]], target: str, end: str, last: str
) -> None:
    """configparser, by which botocore reads, finds the new value, and every other section's text is the same."""
    text = "".join(f"[{name}]{end}" + "".join(line + end for line in lines) for name, lines in sections)
    text = text if last == "closed" else text.removesuffix(end)
    changed = set_options(text, target, {"daypass_x": "new value", "region": "z"})
    assert _read(changed)[target]["daypass_x"] == "new value"
    assert _read(changed)[target]["region"] == "z"
    before, after = _read(text), _read(changed)
    for name in section_names(text):
        if name != target:
            assert after[name] == before[name]
            assert _raw(text, name).rstrip() == _raw(changed, name).rstrip()
    ours = {"daypass_x", "region"}
    kept = {key: value for key, value in before.get(target, {}).items() if key not in ours}
    assert kept == {key: value for key, value in after[target].items() if key not in ours}


def _read(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    parser.read_string(text)
    return {name: {key: value.strip() for key, value in parser.items(name)} for name in parser.sections()}


def _raw(text: str, name: str) -> str:
    match = re.search(rf"^\[{name}\]\r?\n?(.*?)(?=^\[|\Z)", text, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""
