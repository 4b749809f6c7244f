"""The one test of usual claims stands for all checks of them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.errors import Fault
from daypass.federation.oidc.provider import ANY_AUDIENCE, ProviderTerms
from daypass.federation.oidc.verify import CLAIM_CHECKS, usual_audience

_NOW = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
_LAST = 253_402_300_799
_ISSUER = "https://issuer.example"
_CLIENT = "client"
_USUAL: dict[str, Any] = {"iss": _ISSUER, "sub": "person", "aud": _CLIENT, "iat": _NOW, "exp": _NOW + 600}
_TERMS = ProviderTerms("arn", _ISSUER, frozenset({_CLIENT, "", "a\x00b", "x" * 1_025, "é"}))
_MOMENTS = [0, -1, 1, _NOW, _NOW - 300, _NOW - 299, _NOW + 300, _NOW + 301, _LAST, _LAST + 1]
_VALUES = st.one_of(
    st.sampled_from([*_MOMENTS, True, False, None, 1e9, float(_NOW), str(_NOW), "", "a\x00b", "\x7f", "é", "a\n"]),
    st.sampled_from([_ISSUER, _ISSUER + "/", _CLIENT, "x" * 255, "x" * 256, "x" * 1_025, [], {}, [_CLIENT], [1]]),
    st.text(max_size=5),
)
_NAMES = st.sampled_from([*_USUAL, "nbf", "azp", "events", "other"])


def _passes(claims: dict[str, Any], terms: ProviderTerms) -> bool:
    try:
        for check in CLAIM_CHECKS.values():
            check(claims, terms, _NOW)
    except Fault:
        return False
    return True


def _has_usual_form(claims: dict[str, Any], terms: ProviderTerms) -> bool:
    audience = claims.get("aud")
    is_one = type(audience) is str or (type(audience) is list and len(audience) == 1)
    is_null = "nbf" in claims and claims["nbf"] is None
    return is_one and not is_null and {"azp", "events"}.isdisjoint(claims) and terms.client_ids is not ANY_AUDIENCE


def _is_usual(claims: dict[str, Any], terms: ProviderTerms) -> bool:
    found = usual_audience(claims, terms, _NOW)
    assert found is None or found == claims["aud"] or [found] == claims["aud"]
    return found is not None


@settings(max_examples=600, deadline=None)
@given(
    changed=st.dictionaries(_NAMES, _VALUES, max_size=2),
    missing=st.sets(_NAMES, max_size=1),
    clients=st.sampled_from([_TERMS.client_ids, frozenset(), ANY_AUDIENCE]),
)
def test_usual_claims_pass_each_check(*, changed: dict[str, Any], missing: set[str], clients: Any) -> None:
    """A check never refuses claims that are usual, and the usual ones are those that pass."""
    claims = {name: value for name, value in {**_USUAL, **changed}.items() if name not in missing}
    terms = ProviderTerms("arn", _ISSUER, clients)
    assert _is_usual(claims, terms) is (_passes(claims, terms) and _has_usual_form(claims, terms))


@pytest.mark.parametrize("name", [*_USUAL, "nbf"])
@pytest.mark.parametrize("value", [*_MOMENTS, True, None, 1e9, "", "a\x00b", "x" * 256, "x" * 1_025, [], [_CLIENT]])
def test_each_claim_is_examined(name: str, value: Any) -> None:
    """Each claim alone, at its limits."""
    claims = {**_USUAL, name: value}
    assert _is_usual(_USUAL, _TERMS)
    assert _is_usual(claims, _TERMS) is (_passes(claims, _TERMS) and _has_usual_form(claims, _TERMS))


@pytest.mark.parametrize("name", ["azp", "events"])
@pytest.mark.parametrize("value", [None, _NOW, _CLIENT, {}])
def test_other_claims_take_the_general_way(name: str, value: Any) -> None:
    """They have rules of their own, even when they are null."""
    assert not _is_usual({**_USUAL, name: value}, _TERMS)


def test_a_subclass_of_a_type_is_not_usual() -> None:
    """True is an int, and text may be a subclass of str."""

    class Text(str):
        __slots__ = ()

    assert not _is_usual({**_USUAL, "iat": True}, _TERMS)
    assert not _is_usual({**_USUAL, "sub": Text("person")}, _TERMS)


def test_a_missing_claim_is_not_usual() -> None:
    """Each of the five is required."""
    for name in _USUAL:
        assert not _is_usual({key: value for key, value in _USUAL.items() if key != name}, _TERMS)
