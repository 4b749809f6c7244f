"""A sign-in session: how it begins, who finds it, and what ends it."""

from datetime import timedelta
from typing import Any

import pytest
from tests.sign_in.conftest import ACCOUNT, CLIENT, ISSUER, OIDC_PROVIDER, OTHER, PROVIDER, Node, People, later

from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.directory.entities.sign_in_entities import SignInSession, StoredProof
from daypass.directory.saml_providers import delete_provider, find_provider
from daypass.errors import InvalidIdentityToken, Throttling
from daypass.federation.oidc.token import read_token
from daypass.operations.oidc_client_changes import OidcClientSettings, add_client, remove_client
from daypass.sign_in import sessions
from daypass.sign_in.oidc_roles import verify_token
from daypass.sign_in.proofs import SignInOverError, identified_by_token, token_proof
from daypass.sign_in.sessions import (
    begin,
    cookie_of,
    find_by_cookie,
    find_session,
    is_same_person,
    list_sessions,
    position,
    purge_store,
    revoke_for_account,
)
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"


def found(people: People, session: SignInSession) -> bool:
    """Return whether a node finds a session."""
    with people.node.ctx() as ctx:
        return find_session(session.id, ctx) is not None


def by_cookie(people: People, value: str) -> SignInSession | None:
    """Return the session of a cookie."""
    with people.node.ctx() as ctx:
        return find_by_cookie(value, ctx)


def test_a_cookie_finds_its_session_alone(people: People) -> None:
    """Another person's secret, a changed id and every malformed value find none."""
    alice, secret = people.node.sign_in_by_saml(people.response(ROLE))
    bob, others = people.node.sign_in_by_saml(people.response(ROLE, name_id="bob@example.org"))
    assert by_cookie(people, cookie_of(alice, secret)) == alice
    assert by_cookie(people, cookie_of(bob, others)) == bob
    forged = [
        cookie_of(alice, others),
        cookie_of(bob, secret),
        f"si-{'0' * 32}.{secret}",
        f"{alice.id}.",
        f"{alice.id}.{secret}=",
        f"{alice.id.upper()}.{secret}",
        f"{alice.id}.{secret}\n",
        f"{alice.id}\0.{secret}",
        alice.id,
        "",
        "." * 100_000,
    ]
    assert [by_cookie(people, value) for value in forged] == [None] * len(forged)


def test_the_store_shows_neither_the_secret_nor_the_proof(people: People) -> None:
    """A stolen database without the master key opens nothing."""
    response = people.response(ROLE)
    session, secret = people.node.sign_in_by_saml(response)
    with people.server.there.store.read() as reader:
        stored = [
            records.to_record(each)
            for type_ in (SignInSession, StoredProof)
            for each in records.page(reader, type_, "", limit=9)
        ]
    assert {record.key for record in stored} == {session.id}
    for record in stored:
        assert secret.encode() not in record.body
        assert response[:64].encode() not in record.body


def test_a_session_ends_with_the_configured_time(people: People) -> None:
    """At its end it is not found any more, and takes no role."""
    people.server.clock.freeze()
    session, _ = people.node.sign_in_by_saml(people.response(ROLE))
    assert session.ends - session.proven_at == timedelta(minutes=480)
    later(people, hours=8, microseconds=-1)
    assert found(people, session)
    later(people, microseconds=1)
    assert not found(people, session)
    with pytest.raises(SignInOverError):
        people.node.take(session, ROLE)


def test_the_session_at_the_provider_ends_it_earlier(people: People) -> None:
    """SessionNotOnOrAfter bounds the sign-in and the role sessions."""
    people.server.clock.freeze()
    people.role("developer")
    session, _ = people.node.sign_in_by_saml(people.response(ROLE, session_lifetime=timedelta(minutes=20)))
    assert timedelta(minutes=19) < session.ends - session.proven_at <= timedelta(minutes=20)
    taken = people.node.take(session, ROLE)
    assert taken["Credentials"]["Expiration"] <= session.ends
    later(people, minutes=20)
    assert not found(people, session)


def test_an_assertion_begins_one_session(people: People) -> None:
    """A stolen response is worth one session at most, on every node."""
    response = people.response(ROLE)
    people.node.sign_in_by_saml(response)
    with pytest.raises(InvalidIdentityToken, match="already been used"):
        people.node.sign_in_by_saml(response)


def test_sign_out_leaves_nothing_behind(people: People) -> None:
    """The session and its proof are deleted, and its place is free."""
    session, _ = people.node.sign_in_by_saml(people.response(ROLE))
    assert found(people, session)
    people.node.end(session)
    assert not found(people, session)
    people.node.end(session)  # a second sign-out does no harm
    with people.server.there.store.read() as reader:
        assert not records.page(reader, StoredProof, "", limit=1)
        assert list_sessions(reader, ACCOUNT, "", 9) == []


def remove(people: People) -> None:
    """Delete the SAML provider."""
    with people.server.there.store.write() as writer:
        provider = find_provider(writer, PROVIDER)
        assert provider is not None
        delete_provider(writer, provider)


def test_removal_of_the_saml_provider_ends_its_sessions(people: People) -> None:
    """A new provider of the same name and the same keys does not bring them back."""
    session, _ = people.node.sign_in_by_saml(people.response(ROLE))
    assert found(people, session)
    remove(people)
    assert not found(people, session)
    people.client("iam").create_saml_provider(Name="idp", SAMLMetadataDocument=people.idp.metadata_xml())
    assert not found(people, session)


def test_removal_of_the_oidc_provider_ends_its_sessions(people: People) -> None:
    """Without a provider of the issuer in any account, the sign-in is over."""
    people.role("developer")
    session, _ = people.node.sign_in_by_oidc(people.token(), ROLE)
    assert found(people, session)
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}"
    people.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert not found(people, session)


def test_a_new_oidc_provider_does_not_bring_sessions_back(people: People) -> None:
    """Neither in the same account nor in another one: it trusts people who sign in from now on."""
    people.role("developer")
    session, _ = people.node.sign_in_by_oidc(people.token(), ROLE)
    iam, root = people.client("iam"), people.server.new_account(OTHER)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=OIDC_PROVIDER)
    later(people, seconds=1)
    for each in (iam, people.client("iam", root)):
        each.create_open_id_connect_provider(Url=ISSUER, ClientIDList=[CLIENT])
        assert not found(people, session)
    assert found(people, people.node.sign_in_by_oidc(people.token(), ROLE)[0])


def test_a_new_client_of_the_store_does_not_bring_sessions_back(people: People) -> None:
    """A client that is removed and registered again is another one, also with the same name."""
    people.role("developer")
    node = Node.start(people.server.there, people.keys, oidc_clients=())

    def register() -> OidcSignInClient:
        given = OidcClientSettings(authentication="none")
        with node.ctx() as ctx, ctx.new_transaction() as writer:
            return add_client(
                writer,
                ACCOUNT,
                "a",
                issuer=ISSUER,
                client_id=CLIENT,
                settings=given,
                vault=ctx.vault,
                now=ctx.now,
                most=9,
            )

    def sign_in(client: OidcSignInClient) -> SignInSession:
        token = people.token()
        with node.ctx() as ctx:
            web = verify_token(token, ROLE, "alice", ctx).web
            person = identified_by_token(web, "alice", client_key=client.key, account=ACCOUNT)
            return begin(token_proof(read_token(token), token, ctx), person, "192.0.2.7", "Firefox", ctx)[0]

    def is_live(session: SignInSession) -> bool:
        with node.ctx() as ctx:
            return find_session(session.id, ctx) is not None

    client = register()
    session = sign_in(client)
    assert is_live(session)
    with people.server.there.store.write() as writer:
        remove_client(writer, client)
    assert not is_live(session)
    later(people, seconds=1)
    client = register()
    assert not is_live(session)
    assert is_live(sign_in(client))


def test_removal_of_the_client_ends_its_sessions(people: People) -> None:
    """A node without the client does not know the session."""
    people.role("developer")
    session, _ = people.node.sign_in_by_oidc(people.token(), ROLE)
    other = Node.start(people.server.there, people.keys, oidc_clients=())
    with other.ctx() as ctx:
        assert find_session(session.id, ctx) is None


@pytest.mark.parametrize("by", ["the next sign-in", "maintenance"])
def test_expired_sessions_are_deleted(people: People, by: str) -> None:
    """The store does not grow. They stay for an hour, because the clocks of nodes differ."""
    people.server.clock.freeze()
    session, _ = people.node.sign_in_by_saml(people.response(ROLE))
    later(people, hours=9, microseconds=-1)
    purge_store(people.server.there.store, people.server.clock.now())
    other, _ = people.node.sign_in_by_saml(people.response(ROLE, name_id="bob"))
    with people.server.there.store.read() as reader:
        assert records.page(reader, SignInSession, "", limit=9) == [session, other]
    later(people, microseconds=1)
    if by == "maintenance":
        purge_store(people.server.there.store, people.server.clock.now())
    else:
        people.node.end(other)
        other, _ = people.node.sign_in_by_saml(people.response(ROLE, name_id="bob"))
    with people.server.there.store.read() as reader:
        assert records.page(reader, SignInSession, "", limit=9) == [other]
        assert [proof.id for proof in records.page(reader, StoredProof, "", limit=9)] == [other.id]
    assert session.id != other.id


def test_an_account_has_a_limited_number_of_sessions(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it a sign-in is throttled: one tenant cannot fill the store."""
    monkeypatch.setattr(sessions, "MOST_OF_ACCOUNT", 2)
    for name in ("alice", "bob"):
        people.node.sign_in_by_saml(people.response(ROLE, name_id=name))
    with pytest.raises(Throttling):
        people.node.sign_in_by_saml(people.response(ROLE, name_id="carol"))


def test_a_persons_next_session_ends_their_oldest(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """One person cannot use up the places of their account."""
    monkeypatch.setattr(sessions, "MOST_OF_PERSON", 2)
    bob, _ = people.node.sign_in_by_saml(people.response(ROLE, name_id="bob"))
    mine = []
    for _ in range(3):
        mine.append(people.node.sign_in_by_saml(people.response(ROLE))[0])
        later(people, seconds=1)
    assert [found(people, session) for session in mine] == [False, True, True]
    assert found(people, bob)


def test_an_account_revokes_a_limited_number(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant cannot fill the list of revocations, and the operator of the server is not limited."""
    monkeypatch.setattr(sessions, "MOST_REVOKED", 1)
    one, other = (people.node.sign_in_by_saml(people.response(ROLE, name_id=name))[0] for name in ("p", "q"))
    store, now = people.server.there.store, people.server.clock.now()
    with store.write() as writer:
        revoke_for_account(writer, one, now)
    with pytest.raises(Throttling), store.write() as writer:
        revoke_for_account(writer, other, now)
    assert [found(people, each) for each in (one, other)] == [False, True]
    people.node.revoke(other)
    assert not found(people, other)


def test_another_accounts_provider_identifies_another_person(people: People) -> None:
    """A tenant may register the issuer with keys of its own, and name any subject."""
    iam = people.client("iam", people.server.new_account(OTHER))
    forger = SamlIdentityProvider(people.idp.entity_id, keys=[make_key_pair()])
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=forger.metadata_xml())
    theirs = f"arn:aws:iam::{OTHER}:role/theirs,arn:aws:iam::{OTHER}:saml-provider/idp"
    now = people.server.clock.now()
    forged, _ = people.node.sign_in_by_saml(forger.response(Assertion(roles=(theirs,)), now=now))
    mine, _ = people.node.sign_in_by_saml(people.response(ROLE))
    again, _ = people.node.sign_in_by_saml(people.response(ROLE))
    assert (forged.issuer, forged.subject) == (mine.issuer, mine.subject)
    assert not is_same_person(forged, mine)
    assert is_same_person(again, mine)


def test_lists_are_in_pages(people: People) -> None:
    """The list of all accounts is ordered by end, that of an account by id."""
    made = []
    for number in range(5):
        made.append(people.node.sign_in_by_saml(people.response(ROLE, name_id=f"p{number}"))[0])
        later(people, seconds=1)
    with people.server.there.store.read() as reader:
        first = list_sessions(reader, None, "", 3)
        assert first + list_sessions(reader, None, position(first[-1]), 3) == made
        half = list_sessions(reader, ACCOUNT, "", 3)
        assert half + list_sessions(reader, ACCOUNT, half[-1].id, 3) == sorted(made, key=lambda each: each.id)
        assert list_sessions(reader, "500000000000", "", 3) == []


@pytest.mark.parametrize("value", ["si-1", "AKIAIOSFODNN7EXAMPLE", ""])
def test_other_names_are_not_sign_ins(people: People, value: Any) -> None:
    """A lookup of another name reads no store."""
    with people.node.ctx() as ctx:
        assert find_session(value, ctx) is None


def test_invented_ids_take_no_room_in_the_cache(people: People) -> None:
    """Otherwise a stranger's requests could displace the sessions of people."""
    session, secret = people.node.sign_in_by_saml(people.response(ROLE))
    assert by_cookie(people, cookie_of(session, secret)) == session
    entries = people.node.cached_entries()
    for number in range(50):
        assert by_cookie(people, f"si-{number:032x}.{secret}") is None
    assert people.node.cached_entries() == entries
