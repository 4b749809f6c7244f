"""CreateOAuth2Token over HTTP, with the codes of approvals: both grants, their refusals, and attacks on them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
import jwt
import pytest
from tests.sign_in.conftest import ACCOUNT, PROVIDER, People, later, trusting
from tests.sso.dpop_proofs import new_key, proof
from tests.sso.login_scene import CROSS, LoginCalls, LoginScene, Program

from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.revocations import is_chain_revoked, load_revocations
from daypass.federation.oidc.identify import KeysNeededError
from daypass.mint import origin_claim
from daypass.mint.chain_claim import CLAIM, open_chain
from daypass.sign_in import token_families
from daypass.sign_in.grants import CodeGrant, issue_code
from daypass.sso.rest_action import RestCall
from daypass.sso.signin_api import CreateOAuth2Token, CreateOAuth2TokenParams
from daypass.wire.http import HttpRequest
from daypass.wire.model import load_service

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice"


class Login:
    """A person with a session and an open role, and the calls of programs."""

    def __init__(self, people: People) -> None:
        people.role("developer")
        self.people = people
        self.session: SignInSession = people.node.sign_in_by_saml(people.response(ROLE))[0]
        self.calls = LoginCalls(people.server)

    def code(self, program: Program, **changes: Any) -> str:
        """Return the code of an approval."""
        given = {
            "sign_in": self.session.id,
            "client_id": program.client_id,
            "redirect_uri": program.redirect_uri,
            "challenge": program.challenge,
            "scopes": ("openid",),
            "role_arn": ROLE,
            "provider_arn": PROVIDER,
            **changes,
        }
        with self.people.node.ctx() as ctx:
            return issue_code(CodeGrant(**given), ctx)

    def remove_provider(self) -> None:
        """Remove the provider of the sign-in. Without any provider, the whole API would be closed."""
        iam = self.people.client("iam")
        iam.create_saml_provider(Name="other", SAMLMetadataDocument=self.people.idp.metadata_xml())
        iam.delete_saml_provider(SAMLProviderArn=PROVIDER)

    def first(self) -> tuple[Program, dict[str, Any]]:
        """Return a program with its first tokens."""
        program = Program()
        answer = self.calls.redeem(program, self.code(program))
        assert answer["status"] == 200, answer
        return program, answer


@pytest.fixture
def login(people: People) -> Login:
    """Return a person who signed in, on a clock that stands at a whole second."""
    clock = people.server.clock
    clock.freeze(clock.now().replace(microsecond=0))
    return Login(people)


def test_a_code_gives_credentials_of_the_role(login: Login) -> None:
    """They work, last 15 minutes, and the answer has the form of the service model."""
    _, answer = login.first()
    assert answer["tokenType"] == "aws_sigv4"
    assert answer["expiresIn"] == 900
    assert len(answer["refreshToken"]) <= 2_048
    assert login.calls.caller(answer) == ARN
    shape = load_service("signin").shapes["CreateOAuth2TokenResponseBody"]
    assert set(shape.members) == answer.keys() - {"status", "type"}
    later(login.people, seconds=900)
    with pytest.raises(Exception, match="ExpiredToken"):
        login.calls.caller(answer)


def test_the_id_token_names_the_role_session(login: Login) -> None:
    """AWS CLI 2.36 reads the profile's name and account from it; the published key verifies it."""
    program, answer = login.first()
    header = jwt.get_unverified_header(answer["idToken"])
    keys = login.calls.get("/issuer/sign-in/.well-known/jwks.json")["keys"]
    key = jwt.PyJWK(next(each for each in keys if each["kid"] == header["kid"]))
    now = int(login.people.server.clock.now().timestamp())
    claims = jwt.decode(
        answer["idToken"],
        key.key,
        algorithms=["ES384"],
        audience=program.client_id,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == ARN
    assert claims["iss"] == f"{login.people.server.url}/issuer/sign-in"
    assert (claims["iat"], claims["exp"]) == (now, now + 900)


def test_the_id_token_has_the_chain_of_its_role_session(login: Login) -> None:
    """A session that begins with the token at an account that trusts its issuer ends with the sign-in's revocation."""
    _, answer = login.first()
    claims = jwt.decode(answer["idToken"], options={"verify_signature": False})
    with login.people.node.ctx() as ctx:
        chain = open_chain(claims[CLAIM], token_id=claims["jti"], sealing_ring=ctx.sealing_ring)
    assert chain.keys == (login.session.id, answer["accessToken"]["accessKeyId"])
    assert chain.is_complete
    login.people.node.revoke(login.session)
    with login.people.node.ctx() as ctx:
        assert is_chain_revoked(chain, ctx.views.get(load_revocations))


def test_the_id_token_carries_the_propagated_identity(login: Login) -> None:
    """A session that begins with the token has the identity of the role session; the token does not show it."""
    context = {"SubjectSourceKey": "Subject/NameID"}
    login.people.client("iam").update_saml_provider(SAMLProviderArn=PROVIDER, ContextProvider=context)
    _, answer = login.first()
    claims = jwt.decode(answer["idToken"], options={"verify_signature": False})
    with login.people.node.ctx() as ctx:
        sealed = claims[origin_claim.CLAIM]
        keys = origin_claim.open_origin(sealed, token_id=claims["jti"], sealing_ring=ctx.sealing_ring)
        with pytest.raises(origin_claim.OriginBrokenError):
            origin_claim.open_origin(sealed, token_id="another", sealing_ring=ctx.sealing_ring)
    assert keys["aws:originidentity/federatedproviderarn"] == (PROVIDER,)
    assert keys["aws:originidentity/subject"][0]


def test_the_id_token_ends_with_the_sign_in(login: Login) -> None:
    """It is valid as long as the credentials, and not longer."""
    program, first = login.first()
    now = login.people.server.clock.now()
    later(login.people, seconds=(login.session.ends - now).total_seconds() - 60)
    last = login.calls.refresh(program, first["refreshToken"])
    assert last["expiresIn"] == 60
    claims = jwt.decode(last["idToken"], options={"verify_signature": False})
    assert claims["exp"] == int(login.session.ends.timestamp())


def test_a_refresh_gives_new_credentials_and_a_new_token(login: Login) -> None:
    """The former refresh token gets the same one for half a minute, for processes that refresh at once."""
    program, first = login.first()
    second = login.calls.refresh(program, first["refreshToken"])
    assert second["status"] == 200, second
    assert second["refreshToken"] != first["refreshToken"]
    assert second["accessToken"] != first["accessToken"]
    assert login.calls.caller(second) == ARN
    later(login.people, seconds=30, microseconds=-1)
    assert login.calls.refresh(program, first["refreshToken"])["refreshToken"] == second["refreshToken"]
    later(login.people, microseconds=1)
    refused(login.calls.refresh(program, first["refreshToken"]), "TOKEN_EXPIRED")
    refused(login.calls.refresh(program, second["refreshToken"]), "TOKEN_EXPIRED")


def test_eight_processes_refresh_at_once(login: Login) -> None:
    """Eight answers, one family, one new token."""
    program, first = login.first()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: login.calls.refresh(program, first["refreshToken"]), range(8)))
    assert [answer["status"] for answer in answers] == [200] * 8, answers
    assert len({answer["refreshToken"] for answer in answers}) == 1


def refused(answer: dict[str, Any], word: str, code: str = "AccessDeniedException", status: int = 400) -> None:
    """Assert that an answer is a refusal in the form of the service, which botocore reads."""
    assert (answer["status"], answer["type"], answer["error"]) == (status, code, word), answer
    assert answer["message"]
    assert answer.keys() == {"status", "type", "error", "message"}


CHANGED_REDEMPTIONS: dict[str, dict[str, Any]] = {
    "another verifier": {"codeVerifier": "x" * 43},
    "another redirect URI": {"redirectUri": "http://127.0.0.1:40002/oauth/callback"},
    "another client": {"clientId": CROSS},
    "an invented code": {"code": "x" * 43},
}


@pytest.mark.parametrize("case", CHANGED_REDEMPTIONS)
def test_a_code_is_bound_to_its_request(login: Login, case: str) -> None:
    """A wrong attempt is refused, and uses the code up."""
    program = Program()
    code = login.code(program)
    refused(login.calls.redeem(program, code, **CHANGED_REDEMPTIONS[case]), "AUTHCODE_EXPIRED")
    answer = login.calls.redeem(program, code)
    if case == "an invented code":
        assert answer["status"] == 200
    else:
        refused(answer, "AUTHCODE_EXPIRED")


def test_a_code_is_valid_for_a_minute(login: Login) -> None:
    """At the sixtieth second it is not."""
    one, other = Program(), Program()
    codes = login.code(one), login.code(other)
    later(login.people, seconds=60, microseconds=-1)
    assert login.calls.redeem(one, codes[0])["status"] == 200
    later(login.people, microseconds=1)
    refused(login.calls.redeem(other, codes[1]), "AUTHCODE_EXPIRED")


def test_a_second_use_of_a_code_revokes_its_tokens(login: Login) -> None:
    """One of the two users is a thief (RFC 6749 section 4.1.2)."""
    program = Program()
    code = login.code(program)
    first = login.calls.redeem(program, code)
    refused(login.calls.redeem(program, code), "AUTHCODE_EXPIRED")
    refused(login.calls.refresh(program, first["refreshToken"]), "TOKEN_EXPIRED")


def test_a_refresh_token_is_bound_to_key_and_client(login: Login) -> None:
    """A stolen token is useless, and a thief's attempt does not end the family."""
    program, first = login.first()
    thief = Program(client_id=program.client_id, key=new_key())
    refused(login.calls.refresh(thief, first["refreshToken"]), "TOKEN_EXPIRED")
    other = Program(client_id=CROSS, key=program.key)
    refused(login.calls.refresh(other, first["refreshToken"]), "TOKEN_EXPIRED")
    assert login.calls.refresh(program, first["refreshToken"])["status"] == 200


def test_a_token_of_another_protocol_is_refused(login: Login) -> None:
    """Tokens and codes of SSO OIDC are bound to a registered client, never to a name of `aws login`."""
    program = Program()
    with login.people.node.ctx() as ctx:
        sso = token_families.begin_family(ctx, sign_in=login.session.id, kind="sso", client_id="c", scopes=("s",))
    refused(login.calls.refresh(program, sso.refresh), "TOKEN_EXPIRED")
    refused(login.calls.refresh(program, sso.access), "TOKEN_EXPIRED")
    refused(login.calls.redeem(program, login.code(program, client_id="c")), "AUTHCODE_EXPIRED")


def test_codes_and_tokens_of_aws_login_are_refused_at_sso_oidc(login: Login) -> None:
    """A registered program gets every role of the person, and not only the approved one."""
    client = boto3.client("sso-oidc", endpoint_url=login.people.server.url, region_name="us-east-1")
    registered = client.register_client(
        clientName="thief",
        clientType="public",
        grantTypes=["authorization_code", "refresh_token"],
        redirectUris=["http://127.0.0.1/oauth/callback"],
    )
    names = {"clientId": registered["clientId"], "clientSecret": registered["clientSecret"]}
    program, first = login.first()
    with pytest.raises(client.exceptions.InvalidGrantException):
        client.create_token(**names, grantType="refresh_token", refreshToken=first["refreshToken"])
    with pytest.raises(client.exceptions.InvalidGrantException):
        client.create_token(
            **names,
            grantType="authorization_code",
            code=login.code(program),
            redirectUri=program.redirect_uri,
            codeVerifier=program.verifier,
        )
    assert login.calls.refresh(program, first["refreshToken"])["status"] == 200


def test_a_role_that_became_closed_gives_no_credentials(login: Login) -> None:
    """The trust policy is evaluated anew; the refresh token stays good for a role that is opened again."""
    program, first = login.first()
    iam = login.people.client("iam")
    iam.update_assume_role_policy(RoleName="developer", PolicyDocument=trusting(f"{PROVIDER}2"))
    refused(login.calls.refresh(program, first["refreshToken"]), "INSUFFICIENT_PERMISSIONS")
    other = Program()
    refused(login.calls.redeem(other, login.code(other)), "INSUFFICIENT_PERMISSIONS")
    iam.update_assume_role_policy(RoleName="developer", PolicyDocument=trusting(PROVIDER))
    later(login.people, minutes=5)
    assert login.calls.refresh(program, first["refreshToken"])["status"] == 200


ENDS: dict[str, tuple[Callable[[Login], object], str]] = {
    "sign-out": (lambda login: login.people.node.end(login.session), "TOKEN_EXPIRED"),
    "a revocation": (lambda login: login.people.node.revoke(login.session), "TOKEN_EXPIRED"),
    "the end of the sign-in": (lambda login: later(login.people, hours=8), "TOKEN_EXPIRED"),
    "the removal of the provider": (lambda login: login.remove_provider(), "USER_CREDENTIALS_CHANGED"),
}


@pytest.mark.parametrize("end", ENDS)
def test_tokens_end_with_the_sign_in(login: Login, end: str) -> None:
    """However it ends."""
    program, first = login.first()
    code, (act, word) = login.code(program), ENDS[end]
    act(login)
    refused(login.calls.refresh(program, first["refreshToken"]), word)
    late = "AUTHCODE_EXPIRED" if end == "the end of the sign-in" else "USER_CREDENTIALS_CHANGED"
    refused(login.calls.redeem(program, code), late)


def test_credentials_do_not_outlive_the_sign_in(login: Login) -> None:
    """In its last minutes they are shorter."""
    program, first = login.first()
    later(login.people, hours=7, minutes=55)
    answer = login.calls.refresh(program, first["refreshToken"])
    assert answer["expiresIn"] == 300


def limit(login: Login, seconds: int | None) -> None:
    """Set the longest sign-in of the role, or reset it."""
    changed = {"ResetMaxSigninSessionDuration": True} if seconds is None else {"MaxSigninSessionDuration": seconds}
    login.people.client("iam").update_role(RoleName="developer", **changed)


def test_a_role_limits_the_age_of_a_sign_in(login: Login) -> None:
    """A refresh at the limit is refused, and credentials just before it end there."""
    limit(login, 3_600)
    program, first = login.first()
    later(login.people, seconds=3_300)
    last = login.calls.refresh(program, first["refreshToken"])
    assert last["expiresIn"] == 300
    later(login.people, seconds=300)
    refused(login.calls.refresh(program, last["refreshToken"]), "TOKEN_EXPIRED")
    other = Program()
    refused(login.calls.redeem(other, login.code(other)), "INSUFFICIENT_PERMISSIONS")


def test_the_limit_of_a_role_is_read_at_each_refresh(login: Login) -> None:
    """A lower one counts at once; without one, or with a higher one, the same token is good until the sign-in ends."""
    program, first = login.first()
    later(login.people, hours=2)
    limit(login, 7_200)
    refused(login.calls.refresh(program, first["refreshToken"]), "TOKEN_EXPIRED")
    limit(login, 7_201)
    second = login.calls.refresh(program, first["refreshToken"])
    assert second["expiresIn"] == 1
    limit(login, None)
    assert login.calls.refresh(program, second["refreshToken"])["expiresIn"] == 900


def test_a_raised_limit_does_not_prolong_a_sign_in(login: Login) -> None:
    """Ninety days for the role are eight hours of the sign-in."""
    limit(login, 7_776_000)
    program, first = login.first()
    later(login.people, hours=7, minutes=55)
    last = login.calls.refresh(program, first["refreshToken"])
    assert last["expiresIn"] == 300
    later(login.people, minutes=5)
    refused(login.calls.refresh(program, last["refreshToken"]), "TOKEN_EXPIRED")


def test_a_proof_is_used_once(login: Login) -> None:
    """Also by another node, and for another request of the same client."""
    program, first = login.first()
    sent = proof(program.key, f"{login.people.server.url}/v1/token", iat=login.calls.now)
    assert login.calls.refresh(program, first["refreshToken"], proofs=[sent])["status"] == 200
    refused(
        login.calls.refresh(program, first["refreshToken"], proofs=[sent]), "INVALID_REQUEST", "ValidationException"
    )
    code = login.code(program)
    status, _, answer = login.calls.token(program, program.redemption(code), proofs=[sent])
    assert (status, answer["error"]) == (400, "INVALID_REQUEST")
    assert login.calls.redeem(program, code)["status"] == 200  # a refused proof does not use the code up


@pytest.mark.parametrize(
    "claims", [{"htm": "GET"}, {"htu": "https://evil.example.org/v1/token"}, {"iat": 1}, {"jti": ...}], ids=str
)
def test_a_request_without_a_valid_proof_is_refused(login: Login, claims: dict[str, Any]) -> None:
    """The rules are those of test_dpop.py; here they guard both grants."""
    program, first = login.first()
    answer = login.calls.refresh(program, first["refreshToken"], claims=claims)
    refused(answer, "INVALID_REQUEST", "ValidationException")
    refused(
        login.calls.refresh(program, first["refreshToken"], proofs=[None]), "INVALID_REQUEST", "ValidationException"
    )


BAD: dict[str, dict[str, Any]] = {
    "no grant": {"grantType": ...},
    "an unknown grant": {"grantType": "password"},
    "an unknown client": {"clientId": "arn:aws:signin:::devtools/other"},
    "no code": {"code": ...},
    "no verifier": {"codeVerifier": ...},
    "no redirect URI": {"redirectUri": ...},
    "a short verifier": {"codeVerifier": "x" * 42},
    "a number": {"code": 7},
    "a list": {"code": ["x"]},
    "NUL": {"code": "a\0b"},
    "both grants": {"refreshToken": "x"},
    "an unknown member": {"resource": "x"},
    "a long code": {"code": "x" * 513},
}


@pytest.mark.parametrize("case", BAD)
def test_a_malformed_request_is_refused_in_the_form_of_the_service(login_scene: LoginScene, case: str) -> None:
    """It is a 400 with a code that botocore knows."""
    answer = login_scene.redeem(Program(), "x" * 43, **BAD[case])
    refused(answer, "INVALID_REQUEST", "ValidationException")


@pytest.mark.parametrize(
    "query",
    ["?x-amz-token-request-type=bearer", "?x-amz-client-auth-method=iam", "?x-amz-oauth-token-method=token-exchange"],
)
def test_other_operations_of_the_path_are_refused_by_name(login_scene: LoginScene, query: str) -> None:
    """A query member selects another operation of the model."""
    status, headers, answer = login_scene.token(
        Program(), {"grantType": "refresh_token", "refreshToken": "x"}, query=query
    )
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert "is not supported by this server" in answer["message"]


def test_the_audit_log_has_the_call_and_no_token(login: Login) -> None:
    """CreateOAuth2Token names the sign-in and the role session."""
    program, first = login.first()
    login.calls.refresh(program, first["refreshToken"])
    events = [login.people.node.event(record) for record in login.people.server.audit.audit_records]
    named = [event for event in events if event["eventName"] == "CreateOAuth2Token"]
    assert len(named) == 2
    for event in named:
        assert event["eventSource"] == "signin.amazonaws.com"
        assert event["additionalEventData"]["SignInId"] == login.session.id
        assert event["requestParameters"]["assumedRoleArn"] == ARN
    text = json.dumps(events)
    secrets = (first["refreshToken"], first["idToken"], first["accessToken"]["secretAccessKey"], program.verifier)
    assert not any(secret in text for secret in secrets)


def test_a_guess_writes_nothing(login: Login) -> None:
    """A stranger with proofs of their own must not fill the store."""
    program = Program()
    before = login.people.server.there.store.revision()
    for _ in range(3):
        refused(login.calls.redeem(program, "x" * 43), "AUTHCODE_EXPIRED")
        refused(login.calls.refresh(program, f"dp1.tf-{'0' * 32}.{'A' * 43}"), "TOKEN_EXPIRED")
        refused(login.calls.refresh(program, "x"), "TOKEN_EXPIRED")
    assert login.people.server.there.store.revision() == before
    sent = proof(program.key, f"{login.people.server.url}/v1/token", iat=login.calls.now)
    refused(login.calls.refresh(program, "x", proofs=[sent]), "TOKEN_EXPIRED")
    status, _, answer = login.calls.token(program, program.redemption(login.code(program)), proofs=[sent])
    assert status == 200, answer  # the proof was not used up


def test_a_call_continues_when_the_keys_of_the_issuer_were_fetched(people: People) -> None:
    """The edge repeats the call: its first try did not waste the proof, the code or the refresh token."""
    people.role("developer")
    session = people.node.sign_in_by_oidc(people.token(), ROLE)[0]
    people.keys.enforces_thumbprints = True
    action, program = CreateOAuth2Token(), Program()

    def call(request_id: str, sent: str, **members: str) -> dict[str, Any]:
        params = CreateOAuth2TokenParams(program.client_id, **members)
        request = HttpRequest("POST", b"/v1/token", b"", ((b"dpop", sent.encode()),), b"", "192.0.2.7", secure=True)
        with people.node.ctx() as ctx:
            return dict(
                action.answer(params, RestCall(request, request_id, ctx, people.node.pipeline, people.node.blocking))
            )

    with people.node.ctx() as ctx:
        url = f"{ctx.settings.public_url}/v1/token"
        grant = CodeGrant(session.id, program.client_id, program.redirect_uri, program.challenge, ("openid",), ROLE)
        code = issue_code(grant, ctx)
    redeemed = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": program.redirect_uri,
        "code_verifier": program.verifier,
    }
    first = _twice(people, partial(call, "one", proof(program.key, url), **redeemed))
    members = {"grant_type": "refresh_token", "refresh_token": first["refreshToken"]}
    second = _twice(people, partial(call, "two", proof(program.key, url), **members))
    assert second["refreshToken"] != first["refreshToken"]


def _twice(people: People, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    people.keys.fetched = False
    with pytest.raises(KeysNeededError):
        call()
    people.keys.fetched = True
    return call()
