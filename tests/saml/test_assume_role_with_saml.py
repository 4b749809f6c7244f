"""AssumeRoleWithSAML: its answer, trust policies, and all refusals."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from lxml import etree
from tests.documents import allow, document
from tests.saml.conftest import ACCOUNT, PROVIDER, Stage, granting
from tests.sts.authenticator import ALLOW_ALL

from daypass.audit.event import to_event
from daypass.testing.saml import AWS_ATTRIBUTE, Assertion, decode, encode
from daypass.testing.saml_forge import Encryption, KeyPair, Signing, make_key_pair

_NAMES = iter(range(10**6))
_NO_ROLE = "SAML Assertion doesn't contain the requested Role and Metadata in the attributes"
_DENIED = ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithSAML")


def _name() -> str:
    return f"role-{next(_NAMES)}"


@pytest.fixture
def role(shared: Stage) -> str:
    """Return a role that trusts the provider."""
    return shared.role(_name(), MaxSessionDuration=43200)


def test_the_answer_names_the_person_as_the_assertion_does(shared: Stage, role: str) -> None:
    """The answer has the subject, its type, Issuer, Audience and qualifier.

    The Audience is the recipient. The qualifier is AWS's hash of issuer, account and provider.
    """
    answer = shared.redeem(shared.response(granting(role)), role)
    name = role.rpartition("/")[2]
    text = f"https://idp.example.org{ACCOUNT}/idp"
    assert answer["Subject"] == "alice@example.org"
    assert answer["SubjectType"] == "persistent"
    assert answer["Issuer"] == "https://idp.example.org"
    assert answer["Audience"] == "https://signin.aws.amazon.com/saml"
    assert (
        answer["NameQualifier"]
        == base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()
    )
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/alice"
    assert "PackedPolicySize" not in answer
    assert "SourceIdentity" not in answer
    who = shared.client("sts", answer["Credentials"]).get_caller_identity()
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"]


def test_policies_and_tags_are_counted_and_the_source_identity_is_answered(shared: Stage, role: str) -> None:
    """PackedPolicySize is present with a policy or tags.

    SourceIdentity is present if the assertion sets one.
    """
    response = shared.response(granting(role, tags={"Team": "storage"}, source_identity="alice"))
    answer = shared.redeem(response, role, Policy=ALLOW_ALL)
    assert answer["PackedPolicySize"] > 0
    assert answer["SourceIdentity"] == "alice"


def test_one_assertion_is_good_for_several_roles_in_its_five_minutes(stage: Stage) -> None:
    """An assertion can be redeemed again for five minutes after its issue.

    AWS allows this for other roles too.
    """
    first, second = stage.role("first"), stage.role("second")
    response = stage.response(granting(first, second))
    for name in (first, second, first):
        assert stage.redeem(response, name)["Credentials"]
    stage.server.clock.move(timedelta(minutes=5, seconds=1))
    code, status, _ = stage.refused(response, second)
    assert (code, status) == ("ExpiredTokenException", 400)


@pytest.mark.parametrize(
    ("asked", "assertion", "seconds"),
    [
        (None, {}, 3600),
        (7200, {"session_duration": "7200"}, 7200),
        (None, {"session_duration": "7200"}, 3600),
        (None, {"session_duration": "900"}, 900),
        (7200, {"session_duration": "900"}, 900),
        (7200, {}, 7200),
        (None, {"session_lifetime": timedelta(seconds=600)}, 600),
    ],
)
def test_a_session_is_as_long_as_requested_within_the_limit_of_the_provider(
    stage: Stage, asked: int | None, assertion: dict[str, Any], seconds: int
) -> None:
    """The default is an hour.

    SessionDuration and SessionNotOnOrAfter can only shorten it.
    """
    role = stage.role("long", MaxSessionDuration=43200)
    stage.server.clock.freeze(stage.server.clock.now().replace(microsecond=0))
    more: dict[str, Any] = {} if asked is None else {"DurationSeconds": asked}
    answer = stage.redeem(stage.response(granting(role, **assertion)), role, **more)
    assert answer["Credentials"]["Expiration"] - stage.server.clock.now() == timedelta(seconds=seconds)


def test_a_role_s_own_maximum_stands(shared: Stage) -> None:
    """A request beyond the role's MaxSessionDuration is refused, not cut."""
    role = shared.role(_name())
    refusal = shared.refused(shared.response(granting(role)), role, DurationSeconds=7200)
    assert refusal[:2] == ("ValidationError", 400)
    assert refusal[2] == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


# Conditions of a trust policy ------------------------------------------------------------------------------

_EDU = "urn:oid:1.3.6.1.4.1.5923.1.1.1."
_CONDITIONS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}, {}, True),
    ({"StringEquals": {"SAML:aud": "https://elsewhere.example/saml"}}, {}, False),
    ({"StringEquals": {"SAML:iss": "https://idp.example.org"}}, {}, True),
    ({"StringEquals": {"SAML:sub": "alice@example.org", "SAML:sub_type": "persistent"}}, {}, True),
    ({"StringEquals": {"SAML:sub": "bob@example.org"}}, {}, False),
    ({"StringEquals": {"SAML:sub_type": "transient"}}, {}, False),
    ({"StringEquals": {"SAML:doc": f"{ACCOUNT}/idp"}}, {}, True),
    ({"StringLike": {"SAML:namequalifier": "*="}}, {}, True),
    ({"ForAnyValue:StringEquals": {"saml:edupersonaffiliation": ["staff"]}}, {f"{_EDU}1": ["member", "staff"]}, True),
    ({"ForAllValues:StringLike": {"saml:eduPersonAffiliation": ["st*"]}}, {f"{_EDU}1": ["staff", "guest"]}, False),
    ({"StringEquals": {"saml:eduPersonPrincipalName": "alice@u.example"}}, {f"{_EDU}6": ["alice@u.example"]}, True),
    ({"StringEquals": {"saml:uid": "alice"}}, {"urn:oid:0.9.2342.19200300.100.1.1": ["alice"]}, True),
    ({"StringEquals": {"saml:uid": "alice"}}, {}, False),
    ({"StringEquals": {"sts:RoleSessionName": "alice"}}, {}, True),
    ({"StringEquals": {"sts:RoleSessionName": "mallory"}}, {}, False),
    ({"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}, {}, True),
    ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, {}, False),
    ({"Null": {"aws:PrincipalArn": "false"}}, {}, False),
]


@pytest.mark.parametrize(("condition", "attributes", "may"), _CONDITIONS)
def test_a_trust_policy_s_conditions_read_the_assertion(
    shared: Stage, *, condition: dict[str, Any], attributes: dict[str, Any], may: bool
) -> None:
    """Every saml:* key is set from the assertion alone.

    The caller does not have an account, name or tags of its own.
    """
    role = shared.role(_name(), condition=condition)
    response = shared.response(granting(role, attributes=attributes))
    if may:
        shared.redeem(response, role)
    else:
        assert shared.refused(response, role) == _DENIED


@pytest.mark.parametrize(
    ("allowed", "assertion", "missing"),
    [
        (("sts:AssumeRoleWithSAML",), {"tags": {"Team": "a"}}, "sts:TagSession"),
        (("sts:AssumeRoleWithSAML", "sts:TagSession"), {"source_identity": "alice"}, "sts:SetSourceIdentity"),
        (("sts:TagSession", "sts:SetSourceIdentity"), {}, "sts:AssumeRoleWithSAML"),
        (("sts:AssumeRole",), {}, "sts:AssumeRoleWithSAML"),
    ],
)
def test_tags_and_source_identity_need_their_own_permissions(
    shared: Stage, allowed: tuple[str, ...], assertion: dict[str, Any], missing: str
) -> None:
    """The trust policy must allow sts:TagSession for tags.

    It must allow sts:SetSourceIdentity for a source identity.
    """
    role = shared.role(_name(), *allowed)
    refusal = shared.refused(shared.response(granting(role, **assertion)), role)
    assert refusal == ("AccessDenied", 403, f"Not authorized to perform {missing}")


@pytest.mark.parametrize("tag", ["storage", "other"])
def test_tags_can_be_requested_and_reach_the_session(shared: Stage, tag: str) -> None:
    """aws:RequestTag contains the tags of the assertion.

    After that the session has them as aws:PrincipalTag.
    """
    asks = {"StringEquals": {"aws:RequestTag/Team": "storage"}}
    policy = _policy("iam:ListUsers", StringEquals={"aws:PrincipalTag/Team": "storage"})
    role = shared.role(_name(), condition=asks, policy=policy)
    response = shared.response(granting(role, tags={"Team": tag}, transitive_keys=("Team",)))
    if tag == "storage":
        shared.client("iam", shared.redeem(response, role)["Credentials"]).list_users()
    else:
        assert shared.refused(response, role) == _DENIED


def _policy(action: str, **condition: Any) -> str:
    return document(allow(action, Condition=condition))


@pytest.mark.parametrize(
    ("key", "value", "survives"),
    [
        ("saml:sub", "alice@example.org", True),
        ("saml:sub_type", "persistent", True),
        ("aws:FederatedProvider", PROVIDER, True),
        ("aws:SourceIdentity", "alice", True),
        ("saml:aud", "https://signin.aws.amazon.com/saml", False),
        ("saml:iss", "https://idp.example.org", False),
        ("saml:uid", "alice", False),
    ],
)
def test_of_the_assertion_only_the_subject_outlives_it(shared: Stage, *, key: str, value: str, survives: bool) -> None:
    """saml:sub, saml:sub_type and saml:namequalifier stay with the session.

    The other keys are available to the trust policy only.
    """
    role = shared.role(_name(), policy=_policy("iam:ListUsers", StringEquals={key: value}))
    given = granting(role, source_identity="alice", attributes={"urn:oid:0.9.2342.19200300.100.1.1": ["alice"]})
    iam = shared.client("iam", shared.redeem(shared.response(given), role)["Credentials"])
    if survives:
        iam.list_users()
    else:
        with pytest.raises(ClientError, match="AccessDenied"):
            iam.list_users()


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"Federated": f"{PROVIDER}2"}])
def test_only_the_provider_s_name_trusts_it(shared: Stage, principal: Any) -> None:
    """A trust policy for everyone, or for another provider, does not match."""
    name = _name()
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    role = shared.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assert shared.refused(shared.response(granting(role)), role) == _DENIED


def test_a_role_that_is_missing_is_refused_as_one_that_is_closed(shared: Stage) -> None:
    """A refusal does not show whether the role exists."""
    role = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    assert shared.refused(shared.response(granting(role)), role) == _DENIED


@pytest.mark.parametrize("principal", [PROVIDER, "cognito-identity.amazonaws.com"])
def test_a_trust_policy_may_name_providers(shared: Stage, principal: str) -> None:
    """A SAML provider's ARN and a domain name are Federated principals."""
    shared.role(_name(), provider=principal)


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        "idp",
        f"arn:aws:iam::{ACCOUNT}:saml-provider/",
        f"arn:aws:iam::{ACCOUNT}:saml-provider/a/b",
        "arn:aws:s3:::b",
    ],
)
def test_what_is_no_provider_cannot_be_trusted(shared: Stage, principal: str) -> None:
    """AWS's message for an invalid Federated principal."""
    with pytest.raises(ClientError, match="Federated principals must be valid domain names or SAML metadata ARNs"):
        shared.role(_name(), provider=principal)


# Refusals --------------------------------------------------------------------------------------------------

_UPSTREAM = "(Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlInvalidSamlResponseException;"


def _bent(stage: Stage, assertion: Assertion, bend: Callable[[etree._Element], object], **how: Any) -> str:
    """Return a response that was manipulated after signing."""
    root = decode(stage.response(assertion, **how))
    bend(root)
    return encode(root)


def _tamper(root: etree._Element) -> None:
    for element in root.iter("{*}NameID"):
        element.text = "root@example.org"


_REFUSALS: dict[str, tuple[Callable[[Stage, str], str], str, int, str]] = {
    "no base64": (lambda *_: "<no base64>", "InvalidIdentityToken", 400, f"Invalid base64 SAMLResponse {_UPSTREAM}"),
    "no xml": (lambda *_: "aGVsbG8=", "InvalidIdentityToken", 400, f"Invalid base64 SAMLResponse {_UPSTREAM}"),
    "unsigned": (
        lambda stage, role: stage.response(granting(role), signed="none"),
        "InvalidIdentityToken",
        400,
        f"Response (with optional signature) must contain an assertion with a mandatory signature {_UPSTREAM}",
    ),
    "only the response signed": (
        lambda stage, role: stage.response(granting(role), signed="response"),
        "InvalidIdentityToken",
        400,
        f"Response (with optional signature) must contain an assertion with a mandatory signature {_UPSTREAM}",
    ),
    "tampered": (
        lambda stage, role: _bent(stage, granting(role), _tamper),
        "InvalidIdentityToken",
        400,
        "Response signature invalid",
    ),
    "sha-1": (
        lambda stage, role: stage.response(granting(role), how=Signing(method="rsa-sha1", digest="sha1")),
        "InvalidIdentityToken",
        400,
        "Response signature invalid",
    ),
    "expired": (
        lambda stage, role: stage.response(granting(role, lifetime=timedelta(minutes=-1))),
        "ExpiredTokenException",
        400,
        "Response has expired",
    ),
    "older than five minutes": (
        lambda stage, role: stage.response(
            granting(role, lifetime=timedelta(hours=1)), now=stage.server.clock.now() - timedelta(minutes=6)
        ),
        "ExpiredTokenException",
        400,
        "Token must be redeemed within 5 minutes of issuance",
    ),
    "issued tomorrow": (
        lambda stage, role: stage.response(granting(role), now=stage.server.clock.now() + timedelta(days=1)),
        "InvalidIdentityToken",
        400,
        f"Invalid base64 SAMLResponse {_UPSTREAM}",
    ),
    "another issuer": (
        lambda stage, role: stage.response(granting(role, issuer="https://evil.example.org")),
        "InvalidIdentityToken",
        400,
        "Issuer not present in specified provider",
    ),
    "another audience": (
        lambda stage, role: stage.response(granting(role, audiences=("https://other.example.org",))),
        "InvalidIdentityToken",
        400,
        "Response does not contain the required audience.",
    ),
    "another recipient": (
        lambda stage, role: stage.response(granting(role, recipient="https://other.example.org/saml")),
        "InvalidIdentityToken",
        400,
        "Response does not contain the required audience.",
    ),
    "another role": (
        lambda stage, role: stage.response(granting(f"{role}x")),
        "InvalidIdentityToken",
        400,
        _NO_ROLE,
    ),
    "the role through another provider": (
        lambda stage, role: stage.response(granting(role, provider=f"{PROVIDER}2")),
        "InvalidIdentityToken",
        400,
        _NO_ROLE,
    ),
    "no roles": (lambda stage, _: stage.response(granting()), "InvalidIdentityToken", 400, _NO_ROLE),
    "no session name": (
        lambda stage, role: stage.response(granting(role, session_name=None)),
        "InvalidIdentityToken",
        400,
        "RoleSessionName is required in AuthnResponse",
    ),
    "a bad session name": (
        lambda stage, role: stage.response(granting(role, session_name="al ice")),
        "InvalidIdentityToken",
        400,
        "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}",
    ),
    "the provider said no": (
        lambda stage, _: stage.idp.failure(now=stage.server.clock.now()),
        "IDPRejectedClaim",
        403,
        "The identity provider (IdP) reported that authentication failed.",
    ),
    "two audiences of one wrong": (
        lambda stage, role: stage.response(
            granting(
                role,
                conditions_xml="<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>",
            )
        ),
        "InvalidIdentityToken",
        400,
        "Response does not contain the required audience.",
    ),
}


@pytest.mark.parametrize("case", _REFUSALS)
def test_a_bad_assertion_is_refused_in_aws_s_words(shared: Stage, role: str, case: str) -> None:
    """Each refusal has AWS's code, status and message.

    The same provider and role accept a valid assertion.
    """
    make, code, status, words = _REFUSALS[case]
    refusal = shared.refused(make(shared, role), role)
    assert refusal[:2] == (code, status)
    assert refusal[2].startswith(words)
    shared.redeem(shared.response(granting(role)), role)


def test_a_signature_by_another_key_is_refused(shared: Stage, role: str, keys: tuple[KeyPair, ...]) -> None:
    """Only certificates in the registered metadata are trusted.

    A certificate in a message does not matter.
    """
    other_idp = type(shared.idp)(keys=[keys[1]])
    response = other_idp.response(granting(role), now=shared.server.clock.now())
    assert shared.refused(response, role) == ("InvalidIdentityToken", 400, "Response signature invalid")


def test_a_provider_that_is_not_registered_vouches_for_nobody(shared: Stage, role: str) -> None:
    """AWS's message for a PrincipalArn of a provider that does not exist.

    This is the same here and in another account.
    """
    for provider in (f"{PROVIDER}2", "arn:aws:iam::210987654321:saml-provider/idp", PROVIDER.replace("idp", "IDP")):
        refusal = shared.refused(shared.response(granting(role)), role, provider=provider)
        assert refusal == ("InvalidIdentityToken", 400, "Specified provider doesn't exist")


def test_names_that_are_none_are_refused(shared: Stage, role: str) -> None:
    """A RoleArn or PrincipalArn of another format is not a valid ARN."""
    response = shared.response(granting(role))
    for wrong in (f"arn:aws:iam::{ACCOUNT}:user/alice", "not an arn but long enough"):
        assert shared.refused(response, wrong) == ("ValidationError", 400, f"{wrong} is invalid")
        assert shared.refused(response, role, provider=wrong) == ("ValidationError", 400, f"{wrong} is invalid")


def test_an_assertion_has_its_greatest_length(shared: Stage, role: str) -> None:
    """AWS accepts 100,000 characters, and checks the length first."""
    refusal = shared.refused("A" * 100_001, role)
    assert refusal[:2] == ("ValidationError", 400)
    assert "Member must have length less than or equal to 100000" in refusal[2]


# Keys, encryption and switches --------------------------------------------------------------------------------


def test_certificates_are_rotated_without_an_outage(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """While the metadata contains two certificates, both may sign.

    The old one is refused as soon as it is removed.
    """
    role = stage.role("rotating")
    before = stage.response(granting(role))
    stage.idp.rotate(keys[1])
    assert stage.refused(stage.response(granting(role)), role)[2] == "Response signature invalid"
    stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=stage.idp.metadata_xml())
    stage.redeem(before, role)
    stage.redeem(stage.response(granting(role)), role)
    stage.idp.retire()
    stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=stage.idp.metadata_xml())
    assert stage.refused(before, role)[2] == "Response signature invalid"
    stage.redeem(stage.response(granting(role)), role)


def test_metadata_past_its_end_vouches_for_nobody(stage: Stage) -> None:
    """After the document's validUntil, every assertion is refused."""
    until = stage.server.clock.now() + timedelta(hours=1)
    metadata = stage.idp.metadata_xml(valid_until=until)
    stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=metadata)
    role = stage.role("late")
    stage.redeem(stage.response(granting(role)), role)
    stage.server.clock.move(timedelta(hours=2))
    assert stage.refused(stage.response(granting(role)), role)[2] == "Response signature invalid"


def test_a_deleted_provider_vouches_for_nobody(stage: Stage) -> None:
    """Assertions of a deleted provider are refused at once."""
    role = stage.role("gone")
    stage.redeem(stage.response(granting(role)), role)
    stage.iam.delete_saml_provider(SAMLProviderArn=PROVIDER)
    assert stage.refused(stage.response(granting(role)), role)[2] == "Specified provider doesn't exist"


def test_encrypted_assertions_are_opened_with_the_provider_s_keys(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """Either of two registered private keys decrypts.

    Required refuses an assertion that is not encrypted.
    """
    role = stage.role("secret")
    own, other = keys[2], make_key_pair()
    encrypted = [Encryption(to=key.private.public_key()) for key in (own, other)]  # type: ignore[arg-type] # RSA
    assert (
        stage.refused(stage.response(granting(role), encryption=encrypted[0]), role)[2] == "Response signature invalid"
    )
    for key in (own, other):
        stage.iam.update_saml_provider(
            SAMLProviderArn=PROVIDER, AssertionEncryptionMode="Required", AddPrivateKey=key.pem
        )
    for how in encrypted:
        stage.redeem(stage.response(granting(role), encryption=how), role)
    plain = stage.refused(stage.response(granting(role)), role)
    assert plain[2].startswith(f"Invalid base64 SAMLResponse {_UPSTREAM}")
    stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, AssertionEncryptionMode="Allowed")
    stage.redeem(stage.response(granting(role)), role)


_LAX: list[Callable[[Stage, str], str]] = [
    lambda stage, role: stage.response(granting(role, audiences=("https://other.example.org",))),
    lambda stage, role: stage.response(granting(role, audiences=())),
    lambda stage, role: stage.response(granting(role, recipient="https://other.example.org/saml")),
]


@pytest.mark.parametrize("number", range(len(_LAX)))
def test_an_operator_may_be_as_lax_as_aws(stage: Stage, number: int) -> None:
    """Responses that only AWS accepts are refused by default.

    They are accepted while the provider is registered as lax.
    """
    role = stage.role("lax")
    response = _LAX[number](stage, role)
    stage.refused(response, role)
    stage.switch(lax=True)
    stage.redeem(response, role)
    stage.switch(lax=False)
    stage.refused(response, role)


def test_an_operator_may_allow_sha_1(stage: Stage) -> None:
    """SHA-1 is accepted for a provider if an operator allows it."""
    role = stage.role("old")
    response = stage.response(granting(role), how=Signing(method="rsa-sha1", digest="sha1"))
    assert stage.refused(response, role)[2] == "Response signature invalid"
    stage.switch(allow_sha1=True)
    stage.redeem(response, role)


def test_the_audit_event_says_who_and_why_but_never_shows_the_assertion(stage: Stage) -> None:
    """The event has the subject and the exact reason, but no assertion."""
    role = stage.role("audited")
    good = stage.response(granting(role))
    bad = stage.response(granting(role, audiences=("https://other.example.org",)))
    stage.redeem(good, role)
    stage.refused(bad, role)
    took, refused = (to_event(record) for record in stage.server.audit.audit_records[-2:])
    assert took.user_identity.type == "SAMLUser"
    assert took.user_identity.principal_id.endswith(":alice@example.org")
    assert took.request_parameters is not None
    assert took.request_parameters
    assert took.request_parameters["sAMLAssertion"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert refused.additional_event_data is not None
    assert "https://other.example.org" in refused.additional_event_data["detail"]


def test_a_signature_on_the_call_is_not_verified(shared: Stage, role: str) -> None:
    """The assertion is the proof: a signature on the call is ignored."""
    response = shared.response(granting(role))
    parameters = {
        "Action": "AssumeRoleWithSAML",
        "Version": "2011-06-15",
        "RoleArn": role,
        "PrincipalArn": PROVIDER,
        "SAMLAssertion": response,
    }
    request = AWSRequest("POST", shared.server.url + "/", data=urlencode(parameters))
    request.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=0"
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    assert URLLib3Session().send(request.prepare()).status_code == 200


def test_attributes_may_come_in_either_order(shared: Stage, role: str) -> None:
    """A Role value is a pair of role and provider, in either order."""
    response = shared.response(replace(Assertion(), attributes={f"{AWS_ATTRIBUTE}Role": [f"{PROVIDER},{role}"]}))
    shared.redeem(response, role)
