"""The format of the file, and the published JSON Schema."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.apply.directory import ACCOUNT, Given, allow, one_account, trust

from daypass.apply.file.desired import Desired, read_desired
from daypass.apply.file.file_parser import read_text
from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.schema import json_schema

_PUBLISHED = Path(__file__).parents[2] / "docs/apply.schema.json"


def read(text: str) -> Desired:
    """Read a file."""
    return read_desired(read_text(text.encode()), Given({}))


def test_the_published_schema_is_the_one_that_is_read() -> None:
    """docs/apply.schema.json is generated from the tables of the parser."""
    assert json.loads(_PUBLISHED.read_text()) == json_schema()


_BAD: list[tuple[str, dict[str, Any], str, bool]] = [
    ("unknown field", {"userz": {}}, "unknown field", True),
    ("nothing stands there", {"users": None}, "the value is empty", True),
    ("wrong type", {"users": []}, "expected a mapping", True),
    ("wrong characters", {"users": {"a b": {}}}, "expected a name", True),
    ("no document", {"policies": {"p": {}}}, "document is missing", True),
    ("no trust", {"roles": {"r": {}}}, "trust is missing", True),
    ("a session too long", {"roles": {"r": {"trust": trust(AWS="*"), "maxSessionDuration": 99}}}, "from 3600", True),
    ("a path without a slash", {"users": {"a": {"path": "eng"}}}, "a path", True),
    ("twice in a list", {"users": {"a": {"groups": ["g", "g"]}}}, "twice", True),
    ("names that differ in case", {"users": {"a": {}, "A": {}}}, "differ only in case", False),
    ("broken JSON in a text", {"policies": {"p": {"document": "{"}}}, "not the JSON", False),
    ("white space before a text", {"policies": {"p": {"document": ' {"Statement": []}'}}},
     "JSON strings must not have leading spaces", False),
    ("a sign-in that is too short", {"roles": {"r": {"trust": trust(AWS="*"), "maxSigninSessionDuration": 3599}}},
     "from 3600 to 7776000", True),
    ("a document too deep", {"policies": {"p": {"document": "[" * 900 + "]" * 900}}}, "not the JSON", False),
    ("a literal secret", {"users": {"a": {"accessKeys": {"AKIAIOSFODNN7EXAMPLE": {"secretAccessKey": "abc"}}}}},
     "users.a.accessKeys.AKIAIOSFODNN7EXAMPLE.secretAccessKey", True),
    ("a secret elsewhere", {"roles": {"r": {"trust": trust(AWS="*"), "description": {"secret": "X"}}}},
     "only in secret fields", True),
]  # fmt: skip


@pytest.mark.parametrize(("sections", "says", "in_schema"), [row[1:] for row in _BAD], ids=[row[0] for row in _BAD])
def test_a_file_of_the_wrong_form_is_refused(sections: dict[str, Any], says: str, in_schema: bool) -> None:  # noqa: FBT001 - a column
    """The message names the field.

    The published schema refuses the file too, if a schema can express the rule.
    """
    text = one_account(**sections)
    with pytest.raises(ApplyFileError) as caught:
        read(text)
    assert says in str(caught.value)
    if in_schema:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(text), json_schema())


def test_a_secret_is_never_repeated() -> None:
    """The refusal of a literal secret does not print it."""
    key = {"AKIAIOSFODNN7EXAMPLE": {"secretAccessKey": "sOmEtHiNgSeCrEt"}}
    with pytest.raises(ApplyFileError) as caught:
        read(one_account(users={"a": {"accessKeys": key}}))
    assert "sOmEtHiNg" not in str(caught.value)


def test_a_place_has_its_line() -> None:
    """In YAML, an error names line and column."""
    text = f"version: 1\naccounts:\n  {ACCOUNT}:\n    users:\n      alice:\n        grups: [a]\n"
    with pytest.raises(ApplyFileError, match=r"users\.alice\.grups \(line 6, column 16\)"):
        read(text)


def test_a_good_file_passes_reader_and_schema() -> None:
    """A file with every field is accepted."""
    text = one_account(
        name="prod",
        alias="acme",
        passwordPolicy={"minimumPasswordLength": 14},
        policies={"p": {"document": allow("s3:*"), "path": "/x/", "description": "d", "tags": {"a": "b"}}},
        groups={"g": {"policies": ["p"], "requireMfa": True}},
        users={"u": {"groups": ["g"], "boundary": "p", "inline": {"i": json.dumps(allow("sts:*"))}}},
        oidcProviders={"issuer.example": {"clientIds": ["a"], "thumbprints": ["0" * 40], "furtherClaims": ["groups"]}},
        samlProviders={"idp": {"metadata": "<x/>", "lax": True, "encryptionMode": "Required"}},
        roles={"r": {"trust": trust(AWS="*"), "maxSessionDuration": 7200, "strangers": []}},
    )
    jsonschema.validate(json.loads(text), json_schema())
    state = read(text).state
    assert state[ACCOUNT, "user", "u"].attributes["boundary"] == f"arn:aws:iam::{ACCOUNT}:policy/x/p"
    assert (ACCOUNT, "policy", "requiremfa") in state


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_field_may_be_anything(data: st.DataObject) -> None:
    """A file with any value is read or refused, and the published schema accepts every file that is read."""
    whole = json.loads(
        one_account(
            users={"u": {"groups": ["g"], "tags": {"a": "b"}, "inline": {"i": allow("s3:*")}, "path": "/"}},
            groups={"g": {"policies": ["p"]}},
            roles={"r": {"trust": trust(AWS="*"), "maxSessionDuration": 3600}},
        )
    )
    things = whole["accounts"][ACCOUNT]
    section = data.draw(st.sampled_from(["users", "groups", "roles"]))
    target: Any = next(iter(things[section].values()))
    name = data.draw(st.sampled_from([*target, "tags", "nonsense"]))
    anything = st.sampled_from(
        [None, 1, 3600, True, "", "x", "/", [], ["x"], ["x", "x"], [1], {}, {"a": 1}, {"a": "b"}]
    )
    target[name] = data.draw(anything)
    try:
        read(json.dumps(whole))
    except ApplyFileError:
        return
    jsonschema.validate(whole, json_schema())
