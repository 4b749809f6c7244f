"""A repeated GetRoleCredentials has the answer and the audit events of the whole way, before and after each change.

Both ways get the same time and the same random bytes. The whole way belongs to a server that has just started.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import lru_cache
from typing import Any

import pytest
from tests.documents import deny, document
from tests.sso.people.person import SCOPE
from tests.sts.test_call_templates import World, void

from daypass.audit.response_elements import encode_answer
from daypass.authorize.call_templates import CallTemplates
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.organization import organization_changes as changes
from daypass.directory.store import Views
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.federation.oidc.issuers.client import Client
from daypass.federation.oidc.issuers.operator_terms import set_terms
from daypass.federation.oidc.token import read_token
from daypass.http.plain_calls import ROLE_CREDENTIALS, read_plain_call
from daypass.mint.sealing_keys import rotate
from daypass.operations.operation import StoreAccess
from daypass.operations.settings import ServiceSettings
from daypass.sign_in.oidc_roles import verify_token
from daypass.sign_in.proofs import identified_by_saml, identified_by_token, saml_proof, token_proof
from daypass.sign_in.saml_roles import verify_saml_response
from daypass.sign_in.sessions import begin, end_session, revoke_session
from daypass.sign_in.token_families import begin_family, end_family, refresh
from daypass.sso.operations import ACTIONS, declared_members
from daypass.sso.role_credentials_template import RoleCredentialsTemplates
from daypass.sso.routes import Sso
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.tokens import SigningKey, compact
from daypass.wire.http import HttpRequest, HttpResponse
from daypass.wire.rest_json import RestCatalog
from daypass.wiring import HOME_REGION

_ACCOUNT, _ISSUER, _CLIENT = "777788889999", "issuer.example.org", "portal"
_SAML = f"arn:aws:iam::{_ACCOUNT}:saml-provider/idp"
_OIDC = f"arn:aws:iam::{_ACCOUNT}:oidc-provider/{_ISSUER}"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/team/role"
_WARM = 3  # calls after which a token and a role have a template
_IDP, _KEY = SamlIdentityProvider(), SigningKey.generate("ES256", "one")
_ACTIONS = ["sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"]


def _statement(actions: Any = _ACTIONS, **condition: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Federated": [_SAML, _OIDC]}, "Action": actions}
    return {**statement, "Condition": condition} if condition else statement


@lru_cache(maxsize=1)
def _catalog() -> RestCatalog:
    return RestCatalog.load({(one.service, one.name): declared_members(one) for one in ACTIONS})


class CountedRoleTemplates(RoleCredentialsTemplates):
    """Counts the calls that a template answered."""

    used = 0

    def answer(self, request: HttpRequest, request_id: str, pipeline: Any, views: Views, generation: Any) -> Any:
        """Return the body of an answer, or None."""
        found = super().answer(request, request_id, pipeline, views, generation)
        self.used += found is not None
        return found


class People(World):
    """A store with a provider of each kind, a role that trusts both, and the servers of the portal API."""

    settings = ServiceSettings(
        public_url="https://sts.example.org", oidc_clients=(Client(f"https://{_ISSUER}", _CLIENT),)
    )

    def __init__(self) -> None:
        super().__init__()
        self.workers = ThreadPoolExecutor(1)
        self.role_templates = CountedRoleTemplates()
        self.sso = self.portal(self.role_templates)
        self.iam("CreateSAMLProvider", Name="idp", SAMLMetadataDocument=_IDP.metadata_xml())
        self.iam("CreateOpenIDConnectProvider", Url=f"https://{_ISSUER}", **{"ClientIDList.member.1": _CLIENT})
        self.write(_pin)
        self.create_role()

    def create_role(self) -> None:
        """Create the role. The provider chooses the duration of a session up to two hours."""
        trust = document(_statement())
        self.iam(
            "CreateRole", RoleName="role", Path="/team/", AssumeRolePolicyDocument=trust, MaxSessionDuration="7200"
        )

    def portal(self, templates: RoleCredentialsTemplates) -> Sso:
        """Return the JSON services of a server."""
        pipeline, nonblocking, blocking = self.server(CallTemplates(encode_answer))
        keys: Any = None  # no key is fetched
        return Sso(pipeline, nonblocking, blocking, keys, self.workers, lambda: "request", templates, _catalog())

    def sign_in(self, kind: str, **more: Any) -> SignInSession:
        """Begin a sign-in."""
        now = self.clock.now()
        with self.sso.blocking.open(StoreAccess.BLOCKING, now, HOME_REGION) as ctx:
            if kind == "saml":
                usual = {"roles": (f"{_ROLE},{_SAML}",), "recipient": "https://sts.example.org/saml"}
                assertion = Assertion(**{**usual, **more})
                text = _IDP.response(assertion, now=now)
                identity = verify_saml_response(text, ctx, request_id="r").identity
                return begin(saml_proof(text), identified_by_saml(identity), "192.0.2.1", "Firefox", ctx)[0]
            seconds = int(now.timestamp())
            claims = {"iss": f"https://{_ISSUER}", "sub": "alice", "aud": _CLIENT, "iat": seconds}
            header = {"alg": "ES256", "typ": "JWT", "kid": _KEY.kid}
            text = compact(header, {**claims, "exp": seconds + 3600, "jti": "1", **more}, _KEY)
            web = verify_token(text, _ROLE, "alice", ctx).web
            person = identified_by_token(web, "alice", client_key=self.settings.oidc_clients[0].key)
            return begin(token_proof(read_token(text), text, ctx), person, "192.0.2.1", "Firefox", ctx)[0]

    def tokens(self, session: SignInSession, kind: Any = "sso", scope: str = SCOPE) -> Any:
        """Return the tokens of a program."""
        with self.sso.blocking.open(StoreAccess.BLOCKING, self.clock.now(), HOME_REGION) as ctx:
            return begin_family(ctx, sign_in=session.id, kind=kind, client_id="program", scopes=(scope,))

    def refresh(self, token: str) -> None:
        """Replace the tokens of a program."""
        with self.sso.blocking.open(StoreAccess.BLOCKING, self.clock.now(), HOME_REGION) as ctx:
            refresh(token, "program", ctx)

    def run(self, sso: Sso, request: HttpRequest) -> tuple[HttpResponse, list[bytes]]:
        """Return the response and the events of a server."""
        self.lines.clear()
        self.dice.start()
        try:
            answered = sso.at_once(request)
            response = answered if isinstance(answered, HttpResponse) else asyncio.run(_wait(answered))
        finally:
            self.dice.stop()
        return response, self.lines.copy()

    def both(self, token: str, times: int = 1, **more: Any) -> tuple[int, int]:
        """Compare both ways. Return the number of calls that used a template, and the last status."""
        before, status = self.role_templates.used, 0
        for _ in range(times):
            request = role_request(token, **more)
            found = self.run(self.sso, request)
            assert found == self.run(self.portal(RoleCredentialsTemplates()), request)
            status = found[0].status
        return self.role_templates.used - before, status


async def _wait(answered: Any) -> HttpResponse:
    response: HttpResponse = await answered
    return response


def _pin(writer: Any) -> None:
    [stored] = [each for each in records.each(writer, OidcProvider, None) if each.arn == _OIDC]
    set_terms(writer, stored, pinned_keys=json.dumps({"keys": [_KEY.jwk()]}))


def role_request(
    token: str, *, role: str = "role", account: str = _ACCOUNT, peer: str = "192.0.2.1", query: str = "", **headers: str
) -> HttpRequest:
    """Return a plain call as the connection reads it."""
    query = query or f"role_name={role}&account_id={account}"
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    read = read_plain_call(
        f"GET /federation/credentials?{query} HTTP/1.1\r\nHost: sts.example.org\r\nUser-Agent: aws-cli/2\r\n"
        f"x-amz-sso_bearer_token: {token}\r\n{lines}\r\n".encode()
    )
    assert read is not None
    assert read[3] is not None
    return HttpRequest("GET", ROLE_CREDENTIALS, read[3], read[0], b"", peer, secure=False, by_name=read[1])


@pytest.fixture
def people() -> Iterator[People]:
    """Return a store with its servers."""
    made = People()
    yield made
    made.workers.shutdown()


class Program:
    """A program with tokens, whose calls have a template."""

    def __init__(self, people: People, kind: str, **more: Any) -> None:
        self.people, self.session = people, people.sign_in(kind, **more)
        self.tokens = people.tokens(self.session)
        people.clock.move(timedelta(seconds=1))
        people.both(self.tokens.access, _WARM)
        assert people.both(self.tokens.access, 2) == (2, 200)


def _trust(*statements: dict[str, Any]) -> Callable[[Program], None]:
    return lambda program: void(
        program.people.iam("UpdateAssumeRolePolicy", RoleName="role", PolicyDocument=document(*statements))
    )


def _control(kind: Any, statement: dict[str, Any]) -> Callable[[Program], None]:
    return lambda program: program.people.write(
        lambda writer: changes.set_policy(writer, _ACCOUNT, kind, "limit", document(statement))
    )


def _write(change: Callable[[Any, Program], object]) -> Callable[[Program], None]:
    return lambda program: program.people.write(lambda writer: change(writer, program))


def _make_role_again(program: Program) -> None:
    program.people.iam("DeleteRole", RoleName="role")
    program.people.create_role()


def _rotate_sealing_keys(program: Program) -> None:
    there, now = program.people.there, int(program.people.clock.now().timestamp())

    def change(writer: Any) -> None:
        ring = rotate(load_sealing_ring(writer, there.vault), now=now, entropy=there.entropy, lead=0)
        save_sealing_ring(writer, ring, there.vault)

    program.people.write(change)


def _replace_providers(program: Program) -> None:
    people = program.people
    people.iam("DeleteSAMLProvider", SAMLProviderArn=_SAML)
    people.iam("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=_OIDC)
    people.clock.move(timedelta(seconds=1))
    people.iam("CreateSAMLProvider", Name="idp", SAMLMetadataDocument=_IDP.metadata_xml())
    people.iam("CreateOpenIDConnectProvider", Url=f"https://{_ISSUER}", **{"ClientIDList.member.1": _CLIENT})
    people.write(_pin)


def _delete_providers(program: Program) -> None:
    program.people.iam("DeleteSAMLProvider", SAMLProviderArn=_SAML)
    program.people.iam("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=_OIDC)


def _move(**time: float) -> Callable[[Program], None]:
    return lambda program: program.people.clock.move(timedelta(**time))


def _revoke(writer: Any, program: Program) -> None:
    revoke_session(writer, program.session.id, program.people.clock.now())


# What is changed, the change, and the status of the calls after it.
_CHANGES: Mapping[str, tuple[Callable[[Program], None], int]] = {
    "nothing": (lambda _: None, 200),
    "sign-out": (_write(lambda writer, program: end_session(writer, program.session.id)), 401),
    "sign-in revoked": (_write(_revoke), 401),
    "tokens revoked": (_write(lambda writer, program: end_family(writer, program.tokens.family)), 401),
    "tokens replaced": (lambda program: program.people.refresh(program.tokens.refresh), 200),
    "providers deleted": (_delete_providers, 401),
    "providers made again": (_replace_providers, 401),
    "trust policy without the action": (_trust(_statement("sts:TagSession")), 404),
    "trust policy that denies": (
        _trust(_statement(), {"Effect": "Deny", "Action": "sts:*", "Principal": {"AWS": "*"}}),
        404,
    ),
    "trust policy with a condition that holds": (_trust(_statement(IpAddress={"aws:SourceIp": "192.0.2.1"})), 200),
    "trust policy with a condition that fails": (_trust(_statement(IpAddress={"aws:SourceIp": "192.0.2.2"})), 404),
    "trust policy with a condition on the time": (
        _trust(_statement(DateLessThan={"aws:CurrentTime": "2026-01-01T00:00:00Z"})),
        404,
    ),
    "session duration": (
        lambda program: void(program.people.iam("UpdateRole", RoleName="role", MaxSessionDuration="3600")),
        200,
    ),
    "role deleted": (lambda program: void(program.people.iam("DeleteRole", RoleName="role")), 404),
    "role made again": (_make_role_again, 200),
    "resource control policy": (
        _control("resource", {**deny(["sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"]), "Principal": "*"}),
        404,
    ),
    "sealing keys rotated": (_rotate_sealing_keys, 200),
    "end of the access token": (_move(hours=1, seconds=1), 401),
    "some time": (_move(minutes=30), 200),
}


@pytest.mark.parametrize("kind", ["saml", "oidc"])
@pytest.mark.parametrize("change", _CHANGES)
def test_a_change_counts_for_the_next_call(people: People, kind: str, change: str) -> None:
    """Neither a refusal nor credentials are those of an earlier state."""
    program, (apply, status) = Program(people, kind), _CHANGES[change]
    apply(program)
    assert people.both(program.tokens.access)[1] == status
    people.both(program.tokens.access, 2)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_session_never_outlives_the_sign_in(people: People, kind: str) -> None:
    """The template is not used when the sign-in would shorten the session: both ways agree up to its last second."""
    program = Program(people, kind)
    ends, now = program.session.ends, people.clock.now()
    people.clock.move(ends - now - timedelta(minutes=61))
    tokens = people.tokens(program.session)
    people.both(tokens.access, _WARM)
    for seconds in (30, 29, 1, 1, 1, 60, 3_450, 60, 27, 1, 1):
        people.clock.move(timedelta(seconds=seconds))
        people.both(tokens.access)


@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_each_call_is_judged_by_itself(people: People, kind: str) -> None:
    """Another token, role, address or header is another call."""
    _trust(_statement(IpAddress={"aws:SourceIp": "192.0.2.0/24"}))(Program(people, kind))
    program = Program(people, kind)
    token = program.tokens.access
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    assert people.both(token, peer="192.0.2.9") == (1, 200)
    assert people.both(token, peer="198.51.100.1", times=2) == (0, 404)
    assert people.both(changed, 2) == (0, 401)
    assert people.both(token, role="other") == (0, 404)
    assert people.both(token, account="111122223333") == (0, 404)
    assert people.both(token, query=f"role_name=role&account_id={_ACCOUNT}&x=1") == (0, 400)
    wrong = "AWS4-HMAC-SHA256 Credential=AKIA/20260301/us-east-1/sts/aws4_request"
    assert people.both(token, authorization=wrong) == (0, 400)
    assert people.both(token) == (1, 200)


@pytest.mark.parametrize(("kind", "scope"), [("login", SCOPE), ("sso", "openid")])
def test_a_token_of_another_kind_has_no_template(people: People, kind: str, scope: str) -> None:
    """The template belongs to one token."""
    program = Program(people, "saml")
    tokens = people.tokens(program.session, kind, scope)
    assert people.both(tokens.access, _WARM + 1) == (0, 401)


@pytest.mark.parametrize(
    "more", [{"tags": {"Team": "blue"}}, {"source_identity": "Alice"}, {"session_duration": "900"}]
)
def test_attributes_belong_to_the_template(people: People, more: Mapping[str, Any]) -> None:
    """They are those of the sign-in."""
    token = Program(people, "saml", **more).tokens.access
    _trust(_statement("sts:AssumeRoleWithSAML"))(Program(people, "saml"))
    assert people.both(token)[1] == (200 if "session_duration" in more else 404)


def test_a_choice_of_providers_has_no_template(people: People) -> None:
    """Each call finds the provider through which the role is open."""
    people.iam("CreateSAMLProvider", Name="two", SAMLMetadataDocument=_IDP.metadata_xml())
    second = f"arn:aws:iam::{_ACCOUNT}:saml-provider/two"
    session = people.sign_in("saml", roles=(f"{_ROLE},{second}", f"{_ROLE},{_SAML}"))
    people.clock.move(timedelta(seconds=1))
    assert people.both(people.tokens(session).access, _WARM + 1) == (0, 200)


def test_large_policies_have_no_template(people: People) -> None:
    """They are not kept in memory for the sake of some microseconds."""
    session = people.sign_in("saml")
    token = people.tokens(session).access

    def limit(writer: Any) -> None:
        for number in range(4):
            policy = {**deny("s3:*", f"arn:aws:s3:::{'a' * 4_500}{number}"), "Principal": "*"}
            changes.set_policy(writer, _ACCOUNT, "resource", f"p{number}", document(policy))

    people.write(limit)
    people.clock.move(timedelta(seconds=1))
    assert people.both(token, _WARM + 1) == (0, 200)


def test_an_event_says_the_same_on_both_ways(people: People) -> None:
    """The two events of a call are those of the portal API and of STS, in this order of time."""
    program = Program(people, "saml")
    _, lines = people.run(people.sso, role_request(program.tokens.access))
    first, second = map(json.loads, lines)
    assert (first["eventName"], second["eventName"]) == ("AssumeRoleWithSAML", "GetRoleCredentials")
    assert second["additionalEventData"] == {"SignInId": program.session.id}
    assert first["additionalEventData"]["SignInEvent"] == "GetRoleCredentials"
