"""Authorization codes: single use, one minute, and bound to client, redirect URI and PKCE."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from tests.sign_in.conftest import ACCOUNT, People
from tests.sso.scene import Scene

from daypass.base64url import to_base64url
from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignIn
from daypass.operations.request_context import RequestContext
from daypass.sign_in import token_families
from daypass.sign_in.grants import CodeGrant, GrantRefusedError, Reason, bind_family, issue_code, redeem_code
from daypass.sign_in.token_families import Tokens

VERIFIER = "v" * 43
CHALLENGE = to_base64url(hashlib.sha256(VERIFIER.encode()).digest())
URI = "http://127.0.0.1:50123/oauth/callback"
GRANT = CodeGrant(sign_in="si-" + "0" * 32, client_id="client", redirect_uri=URI, challenge=CHALLENGE, role_arn="r")
RIGHT = {"client_id": "client", "redirect_uri": URI, "verifier": VERIFIER}


@pytest.fixture
def scene() -> Scene:
    """Return an empty store."""
    return Scene()


def redeem(code: str, ctx: RequestContext, **changes: str) -> CodeGrant | Reason:
    """Return the grant of a code, or the reason of the refusal."""
    try:
        return redeem_code(code, **{**RIGHT, **changes}, ctx=ctx)
    except GrantRefusedError as refused:
        return refused.reason


def test_a_code_is_valid_once(scene: Scene) -> None:
    """Also for many attempts at once."""
    code = issue_code(GRANT, scene.at())
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: redeem(code, scene.at()), range(8)))
    assert sorted(map(str, found)) == sorted([str(GRANT), *["reused"] * 7])


@pytest.mark.parametrize(("seconds", "found"), [(59.999, GRANT), (60, "expired"), (599, "expired"), (600, "unknown")])
def test_a_code_is_valid_for_60_seconds(scene: Scene, seconds: float, found: CodeGrant | Reason) -> None:
    """The end itself is not valid any more."""
    assert redeem(issue_code(GRANT, scene.at()), scene.at(seconds)) == found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "another"}, "client"),
        ({"client_id": ""}, "client"),
        ({"redirect_uri": "http://127.0.0.1:50124/oauth/callback"}, "redirect"),
        ({"redirect_uri": ""}, "redirect"),
        ({"redirect_uri": "https://evil.example/\ud800"}, "redirect"),
        ({"verifier": "w" * 43}, "verifier"),
        ({"verifier": ""}, "verifier"),
        ({"verifier": CHALLENGE}, "verifier"),
        ({"verifier": "v" * 42}, "verifier"),
        ({"verifier": "v" * 129}, "verifier"),
        ({"verifier": VERIFIER + "\n"}, "verifier"),
    ],
)
def test_a_wrong_attempt_is_refused_and_uses_up_the_code(scene: Scene, changes: dict[str, str], reason: str) -> None:
    """A stolen code gives its thief a single guess."""
    code = issue_code(GRANT, scene.at())
    assert redeem(code, scene.at(), **changes) == reason
    assert redeem(code, scene.at()) == "reused"


@pytest.mark.parametrize("code", ["", "x", "\0", "x" * 10_000, "\ud800"])
def test_an_unknown_code_is_refused(scene: Scene, code: str) -> None:
    """Any string may be sent."""
    assert redeem(code, scene.at()) == "unknown"


@pytest.mark.parametrize("challenge", ["", "x" * 42, "x" * 44, "x" * 42 + "="])
def test_pkce_is_required(scene: Scene, challenge: str) -> None:
    """A code without a challenge would be worth as much as the tokens."""
    with pytest.raises(ValueError, match="PKCE"):
        issue_code(msgspec.structs.replace(GRANT, challenge=challenge), scene.at())


def test_one_approval_gives_one_code(scene: Scene) -> None:
    """A form that is sent twice does not."""
    issue_code(GRANT, scene.at(), approval="form")
    with pytest.raises(GrantRefusedError):
        issue_code(GRANT, scene.at(), approval="form")
    issue_code(GRANT, scene.at(), approval="another")


def test_the_store_has_no_code(scene: Scene) -> None:
    """A stolen database opens nothing."""
    code = issue_code(GRANT, scene.at())
    with scene.there.store.read() as reader:
        stored = list(records.each_record(reader, SignIn, ""))
    assert all(code not in record.key and code.encode() not in record.body for record in stored)
    assert all(b"127.0.0.1" not in record.body for record in stored)


def _issued(people: People) -> tuple[str, str]:
    """Return a redeemed code, and the id of its sign-in."""
    session = people.node.sign_in_by_saml(people.response(f"arn:aws:iam::{ACCOUNT}:role/developer"))[0]
    with people.node.ctx() as ctx:
        code = issue_code(msgspec.structs.replace(GRANT, sign_in=session.id), ctx)
        redeem(code, ctx)
    return code, session.id


def _begin(sign_in: str, ctx: RequestContext) -> Tokens:
    return token_families.begin_family(ctx, sign_in=sign_in, kind="sso", client_id="client", scopes=())


def test_a_second_attempt_revokes_the_tokens_of_the_first(people: People) -> None:
    """RFC 6749 section 4.1.2: either of the two was not the program."""
    code, sign_in = _issued(people)
    with people.node.ctx() as ctx:
        tokens = _begin(sign_in, ctx)
        bind_family(code, tokens.family, ctx)
        assert token_families.find_by_access(tokens.access, ctx) is not None
        assert redeem(code, ctx, client_id="thief") == "reused"
        assert token_families.find_by_access(tokens.access, ctx) is None


def test_an_attempt_while_the_tokens_are_made_revokes_them_too(people: People) -> None:
    """The first attempt then gets a refusal instead of the tokens."""
    code, sign_in = _issued(people)
    with people.node.ctx() as ctx:
        tokens = _begin(sign_in, ctx)
        assert redeem(code, ctx) == "reused"
        with pytest.raises(GrantRefusedError):
            bind_family(code, tokens.family, ctx)
        assert token_families.find_by_access(tokens.access, ctx) is None
