"""A web identity that comes again has the answer and the audit event of the whole way.

Each token is new and verified by itself. What follows from the identity in it is that of an earlier call, as long as
nothing has changed that it follows from.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.documents import document
from tests.sts.test_call_templates import World, void

from daypass.bounded_memory import BoundedMemory
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.federation.oidc.issuers.operator_terms import set_terms
from daypass.operations.sts import assume_role_with_web_identity as web
from daypass.testing.tokens import SigningKey, compact
from daypass.wire.http import HttpRequest, HttpResponse

_ISSUER, _AUDIENCE, _ACCOUNT = "issuer.example.org", "sts.amazonaws.com", "777788889999"
_PROVIDER = f"arn:aws:iam::{_ACCOUNT}:oidc-provider/{_ISSUER}"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/web"
_WARM = 4
_KEYS = {name: SigningKey.generate("ES256", name) for name in ("one", "two")}
_FORM_TYPE = ((b"content-type", b"application/x-www-form-urlencoded"),)
_ACTIONS = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"]


def _statement(**condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Federated": _PROVIDER}, "Action": _ACTIONS}
    return {**statement, "Condition": condition} if condition else statement


def _pin(world: World, *names: str) -> None:
    def change(writer: Any) -> None:
        [stored] = [each for each in records.each(writer, OidcProvider, None) if each.arn == _PROVIDER]
        set_terms(writer, stored, pinned_keys=json.dumps({"keys": [_KEYS[name].jwk() for name in names]}))

    world.write(change)


class Workload:
    """A world with an issuer, whose tokens are new for each call."""

    def __init__(self) -> None:
        self.world, self.number = World(), 0
        self.world.iam("CreateOpenIDConnectProvider", Url=f"https://{_ISSUER}", **{"ClientIDList.member.1": _AUDIENCE})
        _pin(self.world, "one")
        trust = _statement(StringLike={f"{_ISSUER}:sub": "job-*"})
        self.world.iam("CreateRole", RoleName="web", AssumeRolePolicyDocument=document(trust))

    def token(self, key: str = "one", **claims: Any) -> str:
        """Return a new token."""
        self.number += 1
        now = int(self.world.clock.now().timestamp())
        usual = {"iss": f"https://{_ISSUER}", "sub": "job-1", "aud": _AUDIENCE, "iat": now, "exp": now + 3600}
        given = {**usual, "jti": f"{self.number}", **claims}
        signing = _KEYS[key]
        return compact({"alg": "ES256", "typ": "JWT", "kid": signing.kid}, given, signing)

    def request(self, token: str, peer: str = "192.0.2.1", **more: str) -> HttpRequest:
        """Return a call with a new session name."""
        self.number += 1
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": _ROLE,
            "RoleSessionName": f"session-{self.number}",
            **more,
            "WebIdentityToken": token,
        }
        return HttpRequest("POST", b"/", b"", _FORM_TYPE, urlencode(form).encode(), peer, secure=False)

    def whole(self, request: HttpRequest) -> tuple[HttpResponse, bytes]:
        """Return the answer and the event of a server that has just started, and does not know any bearer."""
        kept, web._bearers = web._bearers, BoundedMemory(web.MOST_BEARERS)
        try:
            return self.world.whole(request)
        finally:
            web._bearers = kept

    def compare(self, times: int = 1, *, key: str = "one", peer: str = "192.0.2.1", **claims: Any) -> tuple[int, int]:
        """Compare both ways. Return the number of calls that used a template, and the last status."""
        before, status = self.world.templates.used, 0
        for _ in range(times):
            request = self.request(self.token(key, **claims), peer)
            answered = self.world.fast(request)
            assert answered == self.whole(request)
            status = answered[0].status
        return self.world.templates.used - before, status


@pytest.fixture
def workload() -> Workload:
    """Return a workload whose calls have a template."""
    made = Workload()
    made.compare(_WARM)
    assert made.compare(3) == (3, 200)
    return made


_OTHER_TOKENS: Mapping[str, tuple[dict[str, Any], int]] = {
    "another subject": ({"sub": "job-2"}, 200),
    "a subject that the role does not trust": ({"sub": "person-1"}, 403),
    "another issuer": ({"iss": "https://other.example.org"}, 400),
    "another audience": ({"aud": "other"}, 400),
    "two audiences": ({"aud": [_AUDIENCE, "other"]}, 400),
    "an authorized party": ({"azp": _AUDIENCE}, 200),
    "expired": ({"exp": 1}, 400),
    "not yet valid": ({"nbf": 4_000_000_000}, 400),
    "another purpose": ({"events": {}}, 400),
    "tags": ({"https://aws.amazon.com/tags": {"principal_tags": {"a": ["b"]}}}, 200),
    "a source identity": ({"https://aws.amazon.com/source_identity": "Alice"}, 200),
    "a list with the role": ({"https://aws.amazon.com/roles": [_ROLE]}, 200),
    "a list without the role": ({"https://aws.amazon.com/roles": []}, 400),
    "an address": ({"email": "a@example.org"}, 200),
    "methods": ({"amr": ["mfa"]}, 200),
}


@pytest.mark.parametrize("name", _OTHER_TOKENS)
def test_each_token_is_judged_by_itself(workload: Workload, name: str) -> None:
    """Only a token with the identity of the template is answered by it."""
    claims, status = _OTHER_TOKENS[name]
    used, found = workload.compare(**claims)
    assert (used, found) == (0, status)
    workload.compare(_WARM, **claims)
    assert workload.compare() == (1, 200)


def test_a_forged_token_is_refused(workload: Workload) -> None:
    """A known identity does not make a signature valid."""
    for key, status in (("two", 400), ("one", 200)):
        assert workload.compare(key=key)[1] == status
    header, payload, signature = workload.token().split(".")
    other = workload.token(sub="job-3").split(".")[1]
    for token in (f"{header}.{other}.{signature}", f"{header}.{payload}.", f"{header}.{payload}.{signature[:-4]}AAAA"):
        request = workload.request(token)
        answered = workload.world.fast(request)
        assert answered == workload.whole(request)
        assert answered[0].status == 400


def _trust(*statements: dict[str, Any]) -> Callable[[Workload], None]:
    return lambda workload: void(
        workload.world.iam("UpdateAssumeRolePolicy", RoleName="web", PolicyDocument=document(*statements))
    )


_OIDC = {"OpenIDConnectProviderArn": _PROVIDER}
_CHANGES: Mapping[str, tuple[Callable[[Workload], object], int]] = {
    "trust without the action": (_trust({**_statement(), "Action": "sts:TagSession"}), 403),
    "trust that denies": (_trust(_statement(), {**_statement(), "Effect": "Deny"}), 403),
    "trust of another address": (_trust(_statement(IpAddress={"aws:SourceIp": "198.51.100.0/24"})), 403),
    "trust of this session name": (_trust(_statement(StringLike={"sts:RoleSessionName": "session-*"})), 200),
    "trust of another session name": (_trust(_statement(StringLike={"sts:RoleSessionName": "job-*"})), 403),
    "trust of another time": (_trust(_statement(DateLessThan={"aws:CurrentTime": "2026-01-01T00:00:00Z"})), 403),
    "role deleted": (lambda workload: workload.world.iam("DeleteRole", RoleName="web"), 403),
    "role tagged": (
        lambda workload: workload.world.iam(
            "TagRole", RoleName="web", **{"Tags.member.1.Key": "a", "Tags.member.1.Value": "b"}
        ),
        200,
    ),
    "provider deleted": (lambda workload: workload.world.iam("DeleteOpenIDConnectProvider", **_OIDC), 400),
    "client removed": (
        lambda workload: workload.world.iam("RemoveClientIDFromOpenIDConnectProvider", **_OIDC, ClientID=_AUDIENCE),
        400,
    ),
    "key replaced": (lambda workload: _pin(workload.world, "two"), 400),
    "key added": (lambda workload: _pin(workload.world, "one", "two"), 200),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_a_change_counts_for_the_next_token(workload: Workload, change: str) -> None:
    """Neither a refusal nor an answer is that of an earlier state."""
    apply, status = _CHANGES[change]
    apply(workload)
    assert workload.compare()[1] == status
    workload.compare(3)


def test_each_call_is_decided_with_its_own_address(workload: Workload) -> None:
    """A template has no decision."""
    _trust(_statement(IpAddress={"aws:SourceIp": "192.0.2.0/24"}))(workload)
    assert workload.compare(_WARM)[1] == 200
    assert workload.compare() == (1, 200)
    assert workload.compare(peer="198.51.100.7")[1] == 403
    assert workload.compare() == (1, 200)


@pytest.mark.parametrize("claim", ["jti", "kubernetes.io"])
def test_a_claim_that_the_provider_names_is_read_from_each_token(workload: Workload, claim: str) -> None:
    """It is plain for other providers."""

    def change(writer: Any) -> None:
        [stored] = [each for each in records.each(writer, OidcProvider, None) if each.arn == _PROVIDER]
        set_terms(writer, stored, further_claims=[claim])

    workload.world.write(change)
    _trust(_statement(Null={f"{_ISSUER}:{claim}": "true"}))(workload)
    given: Mapping[str, Any] = {claim: "one"}
    missing: Mapping[str, Any] = {claim: None}
    statuses = [workload.compare(**claims)[1] for claims in (missing, given, missing, missing, given, missing)]
    assert statuses == [200, 403, 200, 200, 403, 200]


def test_plain_claims_need_no_second_reading(workload: Workload) -> None:
    """Times and identifiers differ from token to token, and the bearer stays that of the terms."""
    [known] = _known_bearers()
    assert known.terms is not None
    for claims in ({}, {"nbf": 1}, {"kubernetes.io": {"pod": "x"}}, {"aud": [_AUDIENCE]}, {"email": "a@example.org"}):
        assert workload.world.fast(workload.request(workload.token(**claims)))[0].status == 200
        assert _known_bearers() == [known]


def _known_bearers() -> list[Any]:
    return [
        known for (arn, subject, _), known in web._bearers._values.items() if (arn, subject) == (_PROVIDER, "job-1")
    ]


def test_the_memory_of_bearers_is_bounded(workload: Workload) -> None:
    """An issuer with many subjects drops the oldest, whose next call goes the whole way."""
    for number in range(web.MOST_BEARERS + 1):
        workload.world.fast(workload.request(workload.token(sub=f"job-{number + 10}")))
    assert len(web._bearers) == web.MOST_BEARERS
    assert workload.compare() == (0, 200)


@pytest.mark.parametrize("more", [{"Policy": document(_statement())}, {"MinimumSessionTokenSize": "900"}])
def test_a_form_that_is_checked_anew_has_no_template(workload: Workload, more: dict[str, str]) -> None:
    """Session policies and a least size of the token are checked for each session."""
    before = workload.world.templates.used
    for _ in range(_WARM):
        request = workload.request(workload.token(), **more)
        assert workload.world.fast(request)[0] == workload.whole(request)[0]
    assert workload.world.templates.used == before


def test_a_long_token_does_not_make_a_long_form(workload: Workload) -> None:
    """A template has no part of the token, so it needs none of the few places of long forms."""
    templates = workload.world.templates
    before = len(templates._short)
    workload.compare(_WARM, sub="job-long", note="x" * 2_000)
    assert workload.compare(sub="job-long", note="x" * 2_000) == (1, 200)
    assert (len(templates._short), len(templates._long)) == (before + 1, 0)


def test_a_template_keeps_no_token(workload: Workload) -> None:
    """Neither a signature nor an identifier of a token stays in the memory."""
    token = workload.token(jti="secret-identifier")
    workload.world.fast(workload.request(token))
    kept = [*workload.world.templates._short._values.values()]
    assert kept
    assert token.rpartition(".")[2] not in repr(kept)
    assert "secret-identifier" not in repr(kept)
