"""`daypass sessions list-sign-ins` and `daypass sessions revoke --sign-in` beside a running server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from tests.sign_in.conftest import ACCOUNT, PROVIDER, People, later, set_up

from daypass.cli.main import cli
from daypass.sign_in.sessions import find_session
from daypass.sign_in.token_families import begin_family
from daypass.testing.saml_forge import KeyPair
from daypass.testing.server import running_server

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"


@pytest.fixture
def stored(tmp_path: Path, saml_key: KeyPair) -> Iterator[People]:
    """Return a server with a store that a command can open too."""
    with running_server(store=f"sqlite:///{tmp_path / 'd.db'}") as server:
        yield set_up(server, saml_key)


def sessions(people: People, *words: str, code: int = 0) -> Result:
    """Run a command on the server's store."""
    result = CliRunner().invoke(cli, ["sessions", *words, "--store", people.server.config.store])
    assert result.exit_code == code, result.output
    return result


def test_the_list_names_person_browser_and_times(stored: People) -> None:
    """The JSON document has every field, and no secret."""
    alice, secret = stored.node.sign_in_by_saml(stored.response(ROLE))
    stored.role("developer")
    later(stored, seconds=1)
    stored.node.sign_in_by_oidc(stored.token("bob\u202e"), ROLE)
    with stored.node.ctx() as ctx:
        begin_family(ctx, sign_in=alice.id, kind="sso", client_id="c", scopes=())
    document = json.loads(sessions(stored, "list-sign-ins", "--output", "json").output)
    assert [each["Subject"] for each in document["SignIns"]] == ["alice@example.org", "bob\u202e"]
    first = document["SignIns"][0]
    assert first == {
        "SignInId": alice.id,
        "Kind": "saml",
        "AccountId": ACCOUNT,
        "Issuer": "https://idp.example.org",
        "Provider": PROVIDER,
        "Subject": "alice@example.org",
        "SessionName": "alice",
        "SignInTime": alice.proven_at.isoformat(),
        "Expires": alice.ends.isoformat(),
        "SourceIPAddress": "192.0.2.7",
        "UserAgent": "Firefox",
        "Programs": 1,
    }
    assert secret not in json.dumps(document)
    text = sessions(stored, "list-sign-ins", "--subject", "alice@example.org").output
    assert alice.id in text
    assert len(text.splitlines()) == 1
    assert "\u202e" not in sessions(stored, "list-sign-ins").output
    assert "No one is signed in" in sessions(stored, "list-sign-ins", "--account", "500000000000").output


def test_a_revocation_ends_the_sign_in_and_its_credentials(stored: People) -> None:
    """A running server refuses both at once."""
    stored.role("developer")
    session, _ = stored.node.sign_in_by_saml(stored.response(ROLE))
    taken = stored.node.take(session, ROLE)
    assert stored.arn_of(taken)
    document = json.loads(sessions(stored, "revoke", "--sign-in", session.id, "--output", "json").output)
    assert document["By"] == "a revocation of the sign-in"
    with stored.node.ctx() as ctx:
        assert find_session(session.id, ctx) is None
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        stored.arn_of(taken)
    sessions(stored, "revoke", "--sign-in", session.id)  # again, for what the person has ended before


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--sign-in", "si-1"], 6, "is not a valid ID of a sign-in"),
        (["--sign-in", f"si-{'0' * 32}", "--role", "x"], 2, "exactly one of"),
        (["--sign-in", f"si-{'0' * 32}", "--issued-before", datetime.now(UTC).isoformat()], 2, "cannot be used with"),
    ],
)
def test_a_wrong_use_is_explained(stored: People, words: list[str], code: int, says: str) -> None:
    """A malformed id must not look like a revocation."""
    assert says in sessions(stored, "revoke", *words, code=code).output
