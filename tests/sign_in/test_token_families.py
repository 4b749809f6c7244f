"""Token families: rotation, the window for processes that refresh at once, and reuse."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.sign_in.conftest import ACCOUNT, OIDC_PROVIDER, PROVIDER, Node, People, later

from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignInSession, TokenFamily
from daypass.sign_in import token_families
from daypass.sign_in.proofs import SignInOverError
from daypass.sign_in.token_families import RefreshRefusedError, Tokens

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"
OURS = "the-client"


@pytest.fixture
def session(people: People) -> SignInSession:
    """Return a live session, on a clock that stands."""
    people.server.clock.freeze()
    return people.node.sign_in_by_saml(people.response(ROLE))[0]


def begin(people: People, session: SignInSession, **more: Any) -> Tokens:
    """Begin a family."""
    with people.node.ctx() as ctx:
        given = {"kind": "sso", "client_id": OURS, "scopes": ("sso:account:access",), **more}
        return token_families.begin_family(ctx, sign_in=session.id, **given)


def refresh(people: People, token: str, client: str = OURS, *, node: Node | None = None, **more: Any) -> Tokens:
    """Refresh tokens."""
    with (node or people.node).ctx() as ctx:
        return token_families.refresh(token, client, ctx, **more)


def is_valid(people: People, token: str) -> bool:
    """Return whether an access token is valid."""
    with people.node.ctx() as ctx:
        return token_families.find_by_access(token, ctx) is not None


def reason(people: People, token: str, client: str = OURS, **more: Any) -> str:
    """Return why a refresh is refused."""
    with pytest.raises(RefreshRefusedError) as refused:
        refresh(people, token, client, **more)
    return refused.value.reason


def test_an_access_token_lasts_an_hour(people: People, session: SignInSession) -> None:
    """And no longer than the sign-in."""
    tokens = begin(people, session)
    assert tokens.expires_in == 3_600
    later(people, minutes=60, microseconds=-1)
    assert is_valid(people, tokens.access)
    later(people, microseconds=1)
    assert not is_valid(people, tokens.access)
    later(people, hours=6, minutes=30)
    assert refresh(people, tokens.refresh).expires_in == 1_800


def test_a_refresh_replaces_both_tokens(people: People, session: SignInSession) -> None:
    """The former access token is valid to its own end: other processes hold it."""
    first = begin(people, session)
    later(people, minutes=50)
    second = refresh(people, first.refresh)
    assert {first.access, first.refresh}.isdisjoint({second.access, second.refresh})
    assert is_valid(people, first.access)
    assert is_valid(people, second.access)
    later(people, minutes=10)
    assert not is_valid(people, first.access)
    assert is_valid(people, second.access)


def test_the_former_token_gets_the_same_answer_for_thirty_seconds(people: People, session: SignInSession) -> None:
    """After that its reuse revokes the family, and not the sign-in."""
    first = begin(people, session)
    second = refresh(people, first.refresh)
    later(people, seconds=30, microseconds=-1)
    again = refresh(people, first.refresh)
    assert (again.access, again.refresh) == (second.access, second.refresh)
    assert again.expires_in == 3_570
    later(people, microseconds=1)
    assert reason(people, first.refresh) == "reused"
    assert not is_valid(people, second.access)
    assert reason(people, second.refresh) == "unknown"
    assert is_valid(people, begin(people, session).access)


def test_a_much_older_token_revokes_the_family_too(people: People, session: SignInSession) -> None:
    """An old token is recognized after many rotations."""
    first = begin(people, session)
    last = first
    for _ in range(4):
        last = refresh(people, last.refresh)
    assert reason(people, first.refresh) == "reused"
    assert reason(people, last.refresh) == "unknown"


def test_a_stranger_cannot_revoke_a_family(people: People, session: SignInSession) -> None:
    """They may know its id, which every token contains."""
    tokens = begin(people, session)
    family = tokens.access.split(".")[1]
    for secret in ("A" * 43, tokens.access.split(".")[2], "_" * 42 + "B"):
        assert reason(people, f"dp1.{family}.{secret}") == "unknown"
    assert refresh(people, tokens.refresh).access


@pytest.mark.parametrize(
    "token", ["", "dp1", "dp1..", "dp1.tf-0.x", "\0", "dp1." * 10_000, f"dp1.tf-{'0' * 32}.{'A' * 43}"]
)
def test_a_malformed_token_is_unknown(people: People, token: str) -> None:
    """It costs no error, and is not an access token either."""
    assert reason(people, token) == "unknown"
    assert not is_valid(people, token)


def test_tokens_are_bound_to_client_and_key(people: People, session: SignInSession) -> None:
    """A refusal leaves the family as it is."""
    tokens = begin(people, session, dpop_thumbprint="print")
    assert reason(people, tokens.refresh, "another", dpop_thumbprint="print") == "client"
    assert reason(people, tokens.refresh) == "key"
    assert reason(people, tokens.refresh, dpop_thumbprint="other") == "key"
    assert refresh(people, tokens.refresh, dpop_thumbprint="print").access


def test_an_access_token_does_not_refresh_nor_the_reverse(people: People, session: SignInSession) -> None:
    """Each has one purpose."""
    tokens = begin(people, session)
    assert reason(people, tokens.access) == "unknown"
    assert not is_valid(people, tokens.refresh)


def test_sign_out_ends_all_tokens(people: People, session: SignInSession) -> None:
    """A family is dead when its sign-in is."""
    one, other = begin(people, session), begin(people, session)
    assert is_valid(people, one.access)
    people.node.end(session)
    for tokens in (one, other):
        assert not is_valid(people, tokens.access)
        assert reason(people, tokens.refresh) == "unknown"
    with pytest.raises(SignInOverError):
        begin(people, session)


def test_the_store_has_no_token(people: People, session: SignInSession) -> None:
    """A stolen database shows hashes and sealed values."""
    first = begin(people, session)
    second = refresh(people, first.refresh)
    with people.server.there.store.read() as reader:
        (family,) = records.page(reader, TokenFamily, "", limit=9)
    body = records.to_record(family).body
    for token in (first.access, first.refresh, second.access, second.refresh):
        assert token.split(".")[2].encode() not in body


def test_a_sign_in_has_a_limited_number_of_families(
    people: People, session: SignInSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one replaces the oldest."""
    monkeypatch.setattr(token_families, "MOST_OF_SIGN_IN", 2)
    made = []
    for _ in range(3):
        made.append(begin(people, session))
        later(people, seconds=1)
    assert [is_valid(people, tokens.access) for tokens in made] == [False, True, True]


def test_eight_refreshes_at_once_are_one(people: People, session: SignInSession) -> None:
    """Each gets the same tokens, on any node."""
    tokens = begin(people, session)
    nodes = [Node.start(people.server.there, people.keys) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: refresh(people, tokens.refresh, node=nodes[n % 2]), range(8)))
    assert len({(answer.access, answer.refresh) for answer in answers}) == 1
    with people.server.there.store.read() as reader:
        assert len(records.page(reader, TokenFamily, "", limit=9)) == 1


def test_another_node_knows_new_tokens_at_once(people: People, session: SignInSession) -> None:
    """Although its cache may be a second old."""
    other = Node.start(people.server.there, people.keys)
    tokens = begin(people, session)
    with other.ctx() as ctx:
        assert token_families.find_by_access(tokens.access, ctx) is not None
    second = refresh(people, tokens.refresh)
    with other.ctx() as ctx:
        assert token_families.find_by_access(second.access, ctx) is not None


def test_a_look_at_a_refresh_token_changes_nothing(people: People, session: SignInSession) -> None:
    """It finds the family exactly when a refresh would succeed."""

    def finds(token: str, client: str = OURS, key: str = "print") -> bool:
        with people.node.ctx() as ctx:
            return token_families.find_by_refresh(token, client, ctx, dpop_thumbprint=key) is not None

    first = begin(people, session, dpop_thumbprint="print")
    assert finds(first.refresh)
    assert finds(first.refresh)
    assert not any((finds(first.refresh, "another"), finds(first.refresh, key="other"), finds(first.access)))
    assert not any(map(finds, ("", "dp1..", f"dp1.tf-{'0' * 32}.{'A' * 43}")))
    second = refresh(people, first.refresh, dpop_thumbprint="print")
    later(people, seconds=30, microseconds=-1)
    assert finds(first.refresh)
    later(people, microseconds=1)
    assert not finds(first.refresh)
    assert finds(second.refresh)
    people.node.end(session)
    assert not finds(second.refresh)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_removal_of_the_provider_ends_all_tokens(people: People, kind: str) -> None:
    """Neither token is worth anything then."""
    people.role("developer")
    if kind == "saml":
        session, _ = people.node.sign_in_by_saml(people.response(ROLE))
    else:
        session, _ = people.node.sign_in_by_oidc(people.token(), ROLE)
    tokens, iam = begin(people, session), people.client("iam")
    if kind == "saml":
        iam.delete_saml_provider(SAMLProviderArn=PROVIDER)
    else:
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=OIDC_PROVIDER)
    assert not is_valid(people, tokens.access)
    assert reason(people, tokens.refresh) == "expired"
    with pytest.raises(SignInOverError):
        begin(people, session)
