"""The JSON documents of `daypass saml inspect` and `daypass token inspect` follow docs/inspect.md."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from tests.federation.oidc.setting import jwks, token
from tests.saml.conftest import granting

from daypass.cli.main import cli
from daypass.testing.saml import SamlIdentityProvider

_DOCS = Path(__file__).parents[2] / "docs"
_SCHEMA = json.loads((_DOCS / "inspect.schema.json").read_text(encoding="utf-8"))
Inspect = Callable[..., dict[str, Any]]
_IDP = SamlIdentityProvider()
_ROLE = "arn:aws:iam::123456789012:role/dev"


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Return a function that runs an inspector without a store, and validates its document."""

    def run(kind: str, text: str, *options: str) -> dict[str, Any]:
        path = tmp_path / "input.txt"
        path.write_text(text)
        store = {"DAYPASS_STORE": f"sqlite:///{tmp_path}/none.db"}
        done = CliRunner().invoke(cli, [kind, "inspect", str(path), *options, "--output", "json"], env=store)
        document: dict[str, Any] = json.loads(done.stdout)
        Draft202012Validator(_SCHEMA).validate(document)
        assert done.exit_code == {"accepted": 0, "refused": 5, "unknown": 6}[document["Outcome"]]
        return document

    return run


@pytest.fixture
def metadata(tmp_path: Path) -> str:
    """Return the path of a provider's metadata."""
    path = tmp_path / "idp.xml"
    path.write_text(_IDP.metadata_xml())
    return str(path)


def _outcomes(document: dict[str, Any]) -> set[str]:
    return {check["Outcome"] for check in document["Checks"]}


def test_the_schema_is_valid_and_closed() -> None:
    """The schema is valid and rejects unknown members."""
    Draft202012Validator.check_schema(_SCHEMA)
    assert _SCHEMA["unevaluatedProperties"] is False


def test_each_member_is_described() -> None:
    """The table of docs/inspect.md has each member of the document and of a check."""
    page = (_DOCS / "inspect.md").read_text(encoding="utf-8")
    members = {
        *_SCHEMA["required"],
        *(name for part in ("answer", "check") for name in _SCHEMA["$defs"][part]["required"]),
    }
    assert members <= set(re.findall(r"`(\w+)`", page))


def test_saml_responses(inspect: Inspect, metadata: str) -> None:
    """Accepted, refused and unknown: checks are passed, failed or skipped; the answer of STS has two parts."""
    response = _IDP.response(granting(_ROLE), now=datetime.now(UTC))
    accepted = inspect("saml", response, "--metadata", metadata)
    assert (accepted["Outcome"], accepted["Code"], accepted["Answer"]) == ("accepted", None, None)
    assert _outcomes(accepted) == {"passed", "skipped"}
    refused = inspect(
        "saml", _IDP.response(granting(_ROLE, session_name=None), now=datetime.now(UTC)), "--metadata", metadata
    )
    assert (refused["Outcome"], refused["Code"]) == ("refused", "InvalidIdentityToken")
    assert "failed" in _outcomes(refused)
    unknown = inspect("saml", response)
    assert (unknown["Outcome"], unknown["Code"]) == ("unknown", None)
    assert unknown["Message"] == unknown["Answer"]
    assert inspect("saml", "%", "--metadata", metadata)["UnverifiedStatement"] is None


def test_web_identity_tokens(inspect: Inspect, tmp_path: Path) -> None:
    """A token has the same members, with the answer to its first failed check."""
    keys = tmp_path / "jwks.json"
    keys.write_bytes(jwks())
    genuine = token(exp=4_000_000_000)
    accepted = inspect("token", genuine, "--audience", "sts.amazonaws.com", "--jwks", str(keys))
    assert (accepted["Outcome"], accepted["Code"], _outcomes(accepted)) == ("accepted", None, {"passed"})
    assert accepted["ConditionKeys"]
    refused = inspect("token", genuine, "--audience", "other", "--jwks", str(keys))
    first = next(check for check in refused["Checks"] if check["Outcome"] == "failed")
    assert refused["Outcome"] == refused["Verdict"] == "refused"
    assert (refused["Code"], refused["Message"]) == (first["Code"], first["Message"])
    unknown = inspect("token", genuine, "--offline")
    assert (unknown["Outcome"], unknown["Code"], unknown["Answer"]) == ("unknown", None, None)
    assert inspect("token", "opaque")["Checks"][0]["Name"] == "form"
