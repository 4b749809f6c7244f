"""The issuers of an account: the stored providers, the built-in ones, and the terms of each."""

import pytest
from tests.federation.oidc.setting import NOW, jwks, key

from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.issuers.known_issuers import find_terms, load_issuers, providers_of
from daypass.federation.oidc.issuers.operator_terms import count_pinned, set_terms
from daypass.federation.oidc.keys import UnreadableKeySetError
from daypass.federation.oidc.provider import UnsafeAnyAudience, refuse_access_token
from daypass.storage.memory import MemoryStore
from daypass.testing.clock import MovableClock

ACCOUNT, OTHER = "123456789012", "210987654321"
GOOGLE = "https://accounts.google.com"
PINNED = jwks(key("ES256").jwk(), {"kty": "x"}).decode()


def provider(name: str, account: str = ACCOUNT, **more: object) -> OidcProvider:
    """Return a provider."""
    made = {
        "id": f"{account}-{name}",
        "account": account,
        "name": name,
        "created": NOW,
        "client_ids": ("ours",),
        **more,
    }
    return OidcProvider(**made)  # type: ignore[arg-type] # the fields of OidcProvider


@pytest.fixture
def store() -> MemoryStore:
    """Return an empty store."""
    return MemoryStore(MovableClock())


def put(store: MemoryStore, *providers: OidcProvider) -> None:
    """Store providers."""
    with store.write() as writer:
        for each in providers:
            records.insert(writer, each)


@pytest.mark.parametrize("number", [0, 1, 199, 200, 201, 401])
def test_every_provider_of_an_account_is_known(store: MemoryStore, number: int) -> None:
    """Also if they fill several pages, and without the providers of another account."""
    put(store, *(provider(f"i{each:04}.example") for each in range(number)), provider("theirs.example", OTHER))
    with store.read() as reader:
        issuers = load_issuers(reader, ACCOUNT)
        assert len(providers_of(reader, ACCOUNT)) == number
    assert set(issuers) == {f"https://i{each:04}.example" for each in range(number)}


def test_an_account_s_own_provider_goes_before_a_built_in_one(store: MemoryStore) -> None:
    """An account that registers Google's issuer wants to use its own client ids."""
    with store.read() as reader:
        built_in = find_terms(load_issuers(reader, ACCOUNT), GOOGLE)
    assert built_in is not None
    assert isinstance(built_in.client_ids, UnsafeAnyAudience)
    put(store, provider("accounts.google.com"))
    with store.read() as reader:
        issuers = load_issuers(reader, ACCOUNT)
    own = find_terms(issuers, GOOGLE)
    assert own is not None
    assert own.client_ids == frozenset({"ours"})
    for unknown in ("https://other.example", "accounts.google.com", GOOGLE + "/", GOOGLE.upper(), ""):
        assert find_terms(issuers, unknown) is None


def test_an_operator_s_terms_are_changed_one_by_one(store: MemoryStore) -> None:
    """A term that is not given stays. An empty string removes the pinned keys."""
    put(store, provider("i.example"))
    with store.write() as writer:
        first = set_terms(writer, provider("i.example"), further_claims=["groups"])
        assert (first.further_claims, first.pinned_keys, count_pinned(first)) == (("groups",), "", 0)
        second = set_terms(writer, first, pinned_keys=PINNED)
        assert (second.further_claims, second.pinned_keys, count_pinned(second)) == (("groups",), PINNED, 1)
        third = set_terms(writer, second)
        assert third == second
        fourth = set_terms(writer, third, further_claims=[], pinned_keys="")
        assert (fourth.further_claims, fourth.pinned_keys) == ((), "")
    with store.read() as reader:
        terms = load_issuers(reader, ACCOUNT)["https://i.example"]
    assert (terms.further_claims, terms.pinned) == ((), None)


def test_terms_that_cannot_be_are_not_stored(store: MemoryStore) -> None:
    """A set without a usable key, and two claims of one name."""
    put(store, provider("i.example"))
    for bad in ("{}", '{"keys":[]}', "keys"):
        with store.write() as writer, pytest.raises(UnreadableKeySetError):
            set_terms(writer, provider("i.example"), pinned_keys=bad)
    with store.write() as writer, pytest.raises(ValueError, match="the same name"):
        set_terms(writer, provider("i.example"), further_claims=["a", "A"])


def test_opaque_tokens_are_refused_in_awss_words() -> None:
    """Amazon has one message, all others have another."""
    assert refuse_access_token("www.amazon.com").message == oidc_messages.NOT_LOGIN_WITH_AMAZON
    for other in ("graph.facebook.com", "", "WWW.AMAZON.COM", "xyz"):
        assert refuse_access_token(other).message == oidc_messages.NOT_VALIDATED
