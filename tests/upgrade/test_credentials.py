"""Credentials of version 0.1.0 are accepted with the same rights and the same end."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.portal.command import send
from tests.refusals import code_of, refused
from tests.sts.authenticator import Authenticator
from tests.upgrade.conftest import MEMBER, PARTNER, PUBLIC_URL, Upgraded, recorded

from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import Encryption, KeyPair
from daypass.testing.tokens import SigningKey, compact

SESSIONS = sorted(set(recorded()["sessions"]) - {"revoked"})
IDP = f"arn:aws:iam::{MEMBER}:saml-provider/idp"


def role(name: str) -> str:
    """Return the ARN of a role of the old store."""
    return f"arn:aws:iam::{MEMBER}:role/{name}"


def outcome(there: Upgraded, keys: Any, action: str) -> str:
    """Return the result of one call: `ok`, or the code of its refusal."""
    service, _, name = action.partition(".")
    return code_of(getattr(there.client(service, keys), name)) or "ok"


@pytest.mark.parametrize("account", sorted(recorded()["roots"]))
def test_a_root_key_signs(there: Upgraded, account: str) -> None:
    """It is a long-term key of the root user, given by a file or generated."""
    key = recorded()["roots"][account]
    assert there.client("sts", key).get_caller_identity()["Arn"] == f"arn:aws:iam::{account}:root"


def test_a_users_keys_are_as_they_were(there: Upgraded) -> None:
    """The active one signs, the inactive one does not."""
    secrets = recorded()["secrets"]
    on = {"AccessKeyId": "AKIAUPGRADE03EXAMPLE", "SecretAccessKey": secrets["CI_SECRET"]}
    off = {"AccessKeyId": "AKIAUPGRADE04EXAMPLE", "SecretAccessKey": secrets["OFF_SECRET"]}
    assert there.client("sts", on).get_caller_identity()["Arn"] == f"arn:aws:iam::{MEMBER}:user/ci"
    assert outcome(there, off, "sts.get_caller_identity") == "InvalidClientTokenId"


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_is_who_it_was_and_may_what_it_might(there: Upgraded, name: str) -> None:
    """This covers every kind of session, sealed by both sealing keys."""
    session = recorded()["sessions"][name]
    who = there.client("sts", session["keys"]).get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (session["arn"], session["user_id"])
    assert {action: outcome(there, session["keys"], action) for action in session["rights"]} == session["rights"]


def test_a_revoked_session_stays_so(there: Upgraded) -> None:
    """Its issuing key was revoked before the upgrade."""
    refusal = refused(there.client("sts", recorded()["sessions"]["revoked"]["keys"]).get_caller_identity)
    assert refusal.code == "InvalidClientTokenId"


def test_an_enrolled_device_verifies(there: Upgraded) -> None:
    """Its next code is accepted once, and the session has the rights of an MFA session."""
    device, user = recorded()["devices"]["safe"], recorded()["bob"]
    app = Authenticator(device["serial"], base64.b32decode(device["seed"]), there.server.clock)
    sts = there.client("sts", user)
    assert outcome(there, user, "iam.list_users") == "AccessDenied"
    code = {"SerialNumber": app.serial, "TokenCode": app.code()}
    answer = sts.get_session_token(**code)["Credentials"]
    assert outcome(there, answer, "iam.list_users") == "ok"
    assert refused(sts.get_session_token, **code).code == "AccessDenied"
    assert refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.wrong()).code == "AccessDenied"


def workforce() -> SamlIdentityProvider:
    """Return the registered provider, with its old key."""
    private = load_pem_private_key(recorded()["idp_key"].encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    certificate = x509.load_der_x509_certificate(base64.b64decode(recorded()["idp_certificate"]))
    return SamlIdentityProvider("https://idp.upgrade.example/metadata", keys=[KeyPair(private, certificate)])


@pytest.mark.parametrize("encrypted", [False, True])
def test_people_sign_in_with_their_old_saml_provider(there: Upgraded, encrypted: bool) -> None:  # noqa: FBT001 - a case
    """Its registered metadata and the private key for its encryption are used."""
    how = None
    if encrypted:
        certificate = x509.load_der_x509_certificate(base64.b64decode(recorded()["encryption_certificate"]))
        public = certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        how = Encryption(public)
    assertion = Assertion(roles=(f"{role('people')},{IDP}",))
    response = workforce().response(assertion, now=there.server.clock.now(), encryption=how)
    given = {"RoleArn": role("people"), "PrincipalArn": IDP, "SAMLAssertion": response}
    answer = there.unsigned.assume_role_with_saml(**given)
    assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/people/alice")


def test_machines_sign_in_with_their_old_issuer(there: Upgraded) -> None:
    """The pinned keys are used; the old trust policy refuses another subject."""
    private = load_pem_private_key(recorded()["issuer_key"].encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    key, now = SigningKey("old-key-1", "ES256", private), int(there.server.clock.now().timestamp())
    claims = {"iss": f"https://{recorded()['issuer']}", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 600}
    given = {"RoleArn": role("pipeline"), "RoleSessionName": "build-2"}
    for subject, code in (("repo:acme/site", None), ("repo:acme/other", "AccessDenied")):
        token = compact({"alg": "ES256", "typ": "JWT", "kid": key.kid}, {**claims, "sub": subject}, key)
        if code is None:
            there.unsigned.assume_role_with_web_identity(**given, WebIdentityToken=token)
            continue
        assert refused(there.unsigned.assume_role_with_web_identity, **given, WebIdentityToken=token).code == code


def test_an_old_exchange_token_is_redeemed_once(there: Upgraded) -> None:
    """The waiting one returns the credentials.

    The one that was used before the upgrade does not.
    """
    tokens = recorded()["trade_in_tokens"]
    sts = there.client("sts", recorded()["roots"][PARTNER])
    refusal = refused(sts.get_delegated_access_token, TradeInToken=tokens["REDEEMED"])
    assert refusal.code == "ExpiredTradeInTokenException"
    answer = sts.get_delegated_access_token(TradeInToken=tokens["FINALIZED"])
    assert answer["AssumedPrincipal"] == f"arn:aws:iam::{MEMBER}:root"
    assert outcome(there, answer["Credentials"], "iam.list_users") == "ok"
    assert outcome(there, answer["Credentials"], "iam.list_roles") == "AccessDenied"
    refusal = refused(sts.get_delegated_access_token, TradeInToken=tokens["FINALIZED"])
    assert refusal.code == "ExpiredTradeInTokenException"


def test_a_delegation_request_goes_on(there: Upgraded) -> None:
    """An assigned one is accepted, an accepted one is sent, with the same permissions as before."""
    requests = recorded()["requests"]
    states = {
        name: there.iam.get_delegation_request(DelegationRequestId=each)["DelegationRequest"]["State"]
        for name, each in requests.items()
        if name != "REDEEMED"
    }
    assert states == {name: name for name in states}
    there.iam.accept_delegation_request(DelegationRequestId=requests["ASSIGNED"])
    there.iam.send_delegation_token(DelegationRequestId=requests["ACCEPTED"])


def test_an_old_marker_goes_on(there: Upgraded) -> None:
    """A list that was begun before the upgrade has its second page."""
    everybody = [user["UserName"] for user in there.iam.list_users()["Users"]]
    rest = there.iam.list_users(Marker=recorded()["marker"])["Users"]
    assert [user["UserName"] for user in rest] == everybody[1:]


def test_an_old_denial_is_decoded(there: Upgraded) -> None:
    """The message has all of its content."""
    denial = recorded()["denial"]
    sts = there.client("sts", recorded()["roots"][MEMBER])
    decoded = json.loads(sts.decode_authorization_message(EncodedMessage=denial["encoded"])["DecodedMessage"])
    assert denial["decoded"].items() <= decoded.items()


def test_an_old_web_identity_token_verifies(there: Upgraded) -> None:
    """The issuer still publishes the key that signed it, under the same URL."""
    issuer = there.iam.get_outbound_web_identity_federation_info()["IssuerIdentifier"]
    assert issuer == recorded()["outbound_issuer"]
    token = recorded()["web_identity_token"]
    path = issuer.removeprefix(PUBLIC_URL)
    with urllib.request.urlopen(f"{there.server.url}{path}/.well-known/jwks.json") as answer:  # noqa: S310 - our own
        keys = {key["kid"]: key for key in json.load(answer)["keys"]}
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]])
    # The library's clock cannot be set, and the token is as old as the data.
    checks = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(token, key, ["ES384"], audience="https://api.example", issuer=issuer, options=checks)  # type: ignore[arg-type] # a mapping of flags
    assert claims["sub"] == role("ops/deploy")


def test_a_choice_of_role_that_was_open_is_made(there: Upgraded) -> None:
    """The browser's handle and cookie open the sign-in that the old node stored."""
    sign_in = recorded()["sign_in"]
    fields = {"Handle": sign_in["handle"], "RoleArn": role("people"), "PrincipalArn": IDP}
    headers = {"Cookie": sign_in["cookie"], "Accept": "application/json"}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{there.server.url}/saml/role", urllib.parse.urlencode(fields).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
        keys = json.load(answer)["Credentials"]
    assert there.client("sts", keys).get_caller_identity()["Arn"].endswith(":assumed-role/people/alice")


def test_a_command_that_waits_goes_on_waiting(there: Upgraded) -> None:
    """Its CLI sign-in is known, and not approved yet."""
    status, answer = send(f"{there.server.url}/handover/token", recorded()["handover"])
    assert (status, answer["error"]) == (400, "authorization_pending")
