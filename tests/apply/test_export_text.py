"""The text of an exported file: the same bytes as if the whole document were written at once."""

import json
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daypass.apply.plan.export import ExportedAccount
from daypass.apply.plan.export_text import json_pieces, yaml_pieces

_WORDS = st.sampled_from(
    ["", " ", "a", "a b", "*", "s3:*", "arn:aws:iam::111122223333:role/x", "${aws:username}", "https://x/y?z=1#f"]
) | st.sampled_from(
    ["true", "No", "null", "~", "1", "1.5", "1e3", "0x1", "2012-10-17", "x" * 99, "x" * 100, "x" * 101, "x" * 130]
)
_ODD = st.sampled_from(
    [
        "-",
        "- a",
        "?",
        "? a",
        ":",
        "a:",
        "a: b",
        "#",
        "a #b",
        "a#b",
        "&a",
        "!a",
        "%",
        "@",
        "`",
        "'",
        '"',
        "{",
        "[a",
        "],",
    ]
) | st.sampled_from(
    ["a,b", "|", ">", "=", "<<", "\n", "a\nb", "a\n", "\t", "é", "\u2028", "\U0001f600", "word " * 60, "---", "..."]
)
_STRINGS = _WORDS | _ODD | st.text(max_size=12)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _STRINGS | st.booleans() | st.integers(-(10**20), 10**20) | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_STRINGS, inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.dictionaries(st.sampled_from(["name", "alias", "roles", "users"]), _VALUES, max_size=4)
_ACCOUNTS = st.dictionaries(st.sampled_from(["111122223333", "444455556666", "012345670123"]), _FIELDS)
_HEADS = st.just({"version": 1}) | _VALUES.map(lambda value: {"version": 1, "organization": {"units": {"/": value}}})


def _pieces(accounts: dict[str, Any]) -> list[ExportedAccount]:
    return [ExportedAccount(account, fields) for account, fields in accounts.items()]


@settings(deadline=None, max_examples=300)
@given(_HEADS, _ACCOUNTS)
@example({"version": 1}, {"111122223333": {"roles": {"a": {"l": [[{"b": [1]}], [], {}]}}, "users": {}}})
@example({"version": 1}, {"111122223333": {"roles": {"a b": {"l": ["x " * 70]}, "y" * 129: {"k": "v"}}}})
def test_yaml_is_that_of_the_whole_document(head: dict[str, Any], accounts: dict[str, Any]) -> None:
    """Strings that YAML could misread are quoted, and long ones are wrapped, as the library does it."""
    whole = yaml.dump(
        {**head, "accounts": accounts}, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=110
    )
    text = "".join(yaml_pieces(head, _pieces(accounts)))
    assert text == "# Written by daypass export; read by daypass apply.\n" + whole


@settings(deadline=None, max_examples=100)
@given(_HEADS, _ACCOUNTS)
def test_json_is_that_of_the_whole_document(head: dict[str, Any], accounts: dict[str, Any]) -> None:
    """The indentation is two."""
    whole = json.dumps({**head, "accounts": accounts}, indent=2, ensure_ascii=False)
    assert "".join(json_pieces(head, _pieces(accounts))) == whole + "\n"
