"""Trusted identity propagation with tokens: from a verified claim to every session that grows from it."""

from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from tests.documents import allow, document, trusting
from tests.refusals import code_of, refused
from tests.web_identity.conftest import AUDIENCE, Account, name_of, not_taken, take

from daypass.testing.oidc import OidcIssuer

CONTEXT = {
    "SubjectSourceKey": "email",
    "SubjectTypeSourceKey": "kind",
    "KeyDefinitionList": [{"SourceKey": "dep", "TargetKey": "Department"}, {"SourceKey": "acr"}],
}
CLAIMS = {"email": "alice@example.org", "kind": "user", "dep": "Research", "acr": 2}
SUBJECT, TYPE, ISSUER = (f"aws:OriginIdentity/{name}" for name in ("Subject", "SubjectType", "Issuer"))
PROVIDER = "aws:OriginIdentity/FederatedProviderArn"
DEPARTMENT, ACR = (f"aws:TransactionContext/IdentityProvider/{name}" for name in ("Department", "acr"))
MISSING = "Missing a required claim: email"
EVERY = (SUBJECT, TYPE, ISSUER, PROVIDER, DEPARTMENT, ACR)
TOKEN = {"Audience": ["https://api.example.com"], "SigningAlgorithm": "ES384"}
ORIGIN = {**TOKEN, "SubjectMode": "OriginIdentity"}


@dataclass(frozen=True)
class Scene:
    """An account with a provider, and the role `first` that trusts it."""

    account: Account
    issuer: OidcIssuer
    sts: Any
    provider: str
    first: str

    def propagate(self, context: dict[str, Any]) -> None:
        """Set the context provider."""
        iam = self.account.iam
        iam.update_open_id_connect_provider(OpenIDConnectProviderArn=self.provider, ContextProvider=context)

    def token(self, **claims: Any) -> str:
        """Return a token of Alice, with these claims changed. None removes one."""
        return self.issuer.token({name: value for name, value in {**CLAIMS, **claims}.items() if value is not None})

    def sign_in(self, **claims: Any) -> dict[str, Any]:
        """Return the answer of STS for a token of Alice."""
        return take(self.sts, self.first, self.token(**claims))

    def as_session(self, service: str, answer: dict[str, Any]) -> Any:
        """Return a client with the credentials of an answer."""
        return self.account.client(service, answer)

    def chain(self, answer: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
        """Create a role that trusts the account, and assume it with a session."""
        trust = document(trusting({"AWS": self.account.id}, ["sts:AssumeRole", "sts:TagSession"]))
        role = self.account.role(name, trust, allow("sts:*"))
        taken: dict[str, Any] = self.as_session("sts", answer).assume_role(
            **{"RoleArn": role, "RoleSessionName": "chained", **more}
        )
        return taken

    def sees(self, answer: dict[str, Any], **condition: Any) -> bool:
        """Return whether a condition matches the requests of a session."""
        role = answer["AssumedRoleUser"]["Arn"].split("/")[1]
        policy = document(allow("iam:ListAccountAliases", Condition=condition))
        self.account.iam.put_role_policy(RoleName=role, PolicyName="probe", PolicyDocument=policy)
        return not code_of(self.as_session("iam", answer).list_account_aliases)

    @property
    def expected(self) -> dict[str, str]:
        """Return the keys of Alice's sessions."""
        return {
            SUBJECT: "alice@example.org",
            TYPE: "user",
            ISSUER: name_of(self.issuer),
            PROVIDER: self.provider,
            DEPARTMENT: "Research",
            ACR: "2",
        }


@pytest.fixture
def scene(account: Account, issuer: OidcIssuer, sts: Any) -> Scene:
    """Return an account whose provider propagates the claims of Alice."""
    role = account.role("first", account.trust(issuer), allow("sts:*"))
    scene = Scene(account, issuer, sts, f"arn:aws:iam::{account.id}:oidc-provider/{name_of(issuer)}", role)
    scene.propagate(CONTEXT)
    return scene


def test_the_answer_and_the_session_have_the_context(scene: Scene) -> None:
    """The values are those of the verified token, and the issuer has no https://."""
    answer = scene.sign_in()
    assert answer["TrustedIdentityPropagationContext"] == {
        "OriginIdentity": {
            "Subject": "alice@example.org",
            "SubjectType": "user",
            "Issuer": name_of(scene.issuer),
            "FederatedProviderArn": scene.provider,
        },
        "TransactionContext": {"IdentityProvider": {"Department": "Research", "acr": "2"}},
    }
    assert scene.sees(answer, StringEquals=scene.expected)
    assert not scene.sees(answer, StringEquals={SUBJECT: "mallory"})


def test_without_a_context_provider_there_is_no_context(scene: Scene) -> None:
    """Neither in the answer nor in the session; sessions that exist keep theirs."""
    before = scene.sign_in()
    scene.account.iam.update_open_id_connect_provider(
        OpenIDConnectProviderArn=scene.provider, RemoveContextProvider=True
    )
    answer = scene.sign_in()
    assert "TrustedIdentityPropagationContext" not in answer
    assert scene.sees(answer, Null=dict.fromkeys(EVERY, "true"))
    assert scene.sees(before, StringEquals=scene.expected)


def test_a_constant_type_and_no_further_keys(scene: Scene) -> None:
    """Members without a value are absent from the answer."""
    scene.propagate({"SubjectSourceKey": "sub", "SubjectTypeValue": "workload"})
    answer = scene.sign_in(sub="repo:acme/site")
    context = answer["TrustedIdentityPropagationContext"]
    assert set(context) == {"OriginIdentity"}
    assert (context["OriginIdentity"]["Subject"], context["OriginIdentity"]["SubjectType"]) == (
        "repo:acme/site",
        "workload",
    )


def test_optional_claims_may_be_missing(scene: Scene) -> None:
    """Their keys are absent then; a claim that is null or empty counts as missing."""
    answer = scene.sign_in(kind=None, dep=None, acr="")
    context = answer["TrustedIdentityPropagationContext"]
    assert "SubjectType" not in context["OriginIdentity"]
    assert "TransactionContext" not in context
    assert scene.sees(answer, Null=dict.fromkeys((TYPE, DEPARTMENT, ACR), "true"))


_UNUSABLE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"email": None}, MISSING),
    ({"email": ""}, MISSING),
    ({"email": "  "}, MISSING),
    ({"email": []}, MISSING),
    ({"email": " \t "}, ""),
    ({"email": ["alice", "bob"]}, ""),
    ({"email": {"value": "alice"}}, ""),
    ({"email": 1.5}, ""),
    ({"email": "a" * 257}, ""),
    ({"email": "alice\u202e"}, ""),
    ({"dep": "d" * 129}, ""),
    ({"dep": ["a", "b"]}, ""),
    ({"acr": 10**200}, ""),
    ({"kind": {}}, ""),
)


def test_a_value_that_no_key_can_hold_refuses_the_token(scene: Scene) -> None:
    """A Deny that tests the key would not match otherwise."""
    for claims, words in _UNUSABLE:
        refusal = not_taken(scene.sts, scene.first, scene.token(**claims))
        assert refusal[:2] == ("InvalidIdentityToken", 400), claims
        assert words in refusal[2], claims
    for claims in ({"email": ["alice"]}, {"email": "a" * 256}, {"dep": "d" * 128}, {"acr": True}):
        assert scene.sign_in(**claims), claims


def test_the_trust_policy_sees_the_keys(scene: Scene) -> None:
    """A role can be for one person."""
    trusted = [
        scene.account.role(name, scene.account.trust(scene.issuer, StringEquals={key: value}))
        for name, key, value in (("alice", SUBJECT, "alice@example.org"), ("bob", SUBJECT, "bob@example.org"))
    ]
    assert take(scene.sts, trusted[0], scene.token())
    assert not_taken(scene.sts, trusted[1], scene.token())[0] == "AccessDenied"


_SPOOFS: tuple[dict[str, Any], ...] = (
    {SUBJECT: "mallory", DEPARTMENT: "Sales"},
    {SUBJECT.lower(): "mallory", DEPARTMENT.lower(): "Sales"},
    {"https://aws.amazon.com/tags": {"principal_tags": {"OriginIdentity/Subject": ["mallory"]}}},
    {"https://aws.amazon.com/source_identity": "mallory"},
    {"Email": "mallory", "EMAIL": "mallory", "subject": "mallory"},
    {"TrustedIdentityPropagationContext": {"OriginIdentity": {"Subject": "mallory"}}},
)


def test_no_other_claim_sets_a_key(scene: Scene) -> None:
    """Only the mapped claims do, with and without a context provider."""
    for claims in _SPOOFS:
        assert scene.sees(scene.sign_in(**claims), StringEquals=scene.expected), claims
    scene.account.iam.update_open_id_connect_provider(
        OpenIDConnectProviderArn=scene.provider, RemoveContextProvider=True
    )
    for claims in _SPOOFS:
        assert scene.sees(scene.sign_in(**claims), Null=dict.fromkeys(EVERY, "true")), claims


def test_a_tag_named_like_a_key_is_refused(scene: Scene) -> None:
    """The beginning aws: is reserved, in a token and in a call."""
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {SUBJECT: ["mallory"]}}}
    assert not_taken(scene.sts, scene.first, scene.token(**tags))[0] == "InvalidIdentityToken"
    call = scene.as_session("sts", scene.sign_in()).assume_role
    given = {"RoleArn": scene.first, "RoleSessionName": "xx", "Tags": [{"Key": SUBJECT, "Value": "mallory"}]}
    assert code_of(call, **given) == "InvalidParameterValue"


def test_chains_carry_the_keys(scene: Scene) -> None:
    """Two steps, with a session policy, tags and scoped credentials; AssumeRole's answer does not show the context."""
    policy = document(allow("*"))
    tags = [{"Key": "OriginIdentity/Subject", "Value": "mallory"}]
    second = scene.chain(scene.sign_in(), "second", Policy=policy, Tags=tags, TransitiveTagKeys=[tags[0]["Key"]])
    assert "TrustedIdentityPropagationContext" not in second
    assert scene.sees(second, StringEquals=scene.expected)
    scoped = {**second, **scene.as_session("sts", second).get_scoped_credentials(Policy=policy)}
    assert scene.sees(scoped, StringEquals=scene.expected)
    assert scene.sees(scene.chain(scoped, "third"), StringEquals=scene.expected)


def test_a_chain_that_begins_elsewhere_has_no_keys(scene: Scene) -> None:
    """A user's session gets none, whatever context assertion or tag it sends."""
    iam = scene.account.iam
    iam.create_user(UserName="mallory")
    iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=document(allow("sts:*")))
    key = {"Credentials": iam.create_access_key(UserName="mallory")["AccessKey"]}
    answer = scene.chain(key, "second", Tags=[{"Key": "OriginIdentity/Subject", "Value": "alice@example.org"}])
    assert scene.sees(answer, Null=dict.fromkeys(EVERY, "true"))
    contexts = [{"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": "assertion"}]
    call = scene.as_session("sts", key).assume_role
    given = {"RoleArn": answer["AssumedRoleUser"]["Arn"], "RoleSessionName": "xx", "ProvidedContexts": contexts}
    assert refused(call, **given) == (
        "InvalidContextAssertion",
        400,
        "The context provider arn:aws:iam::aws:contextProvider/IdentityCenter is not trusted by this server.",
    )


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture
def outbound(scene: Scene) -> Scene:
    """Enable web identity tokens for the account."""
    scene.account.iam.enable_outbound_web_identity_federation()
    return scene


def test_a_token_names_the_origin_identity(outbound: Scene) -> None:
    """Subject, mode and scope are claims; the caller stays in principal_id, also after a chain."""
    first = outbound.sign_in()
    for answer in (first, outbound.chain(first, "second")):
        sts = outbound.as_session("sts", answer)
        role = answer["AssumedRoleUser"]["Arn"].split("/")[1]
        claims = _claims(sts.get_web_identity_token(**ORIGIN, Scope="read write:all")["WebIdentityToken"])
        assert (claims["sub"], claims["subject_mode"]) == ("alice@example.org", "OriginIdentity")
        assert claims["scope"] == "read write:all"
        about = claims["https://sts.amazonaws.com/"]
        assert about["principal_id"] == f"arn:aws:iam::{outbound.account.id}:role/{role}"
        assert about["federated_provider"] == outbound.provider
        for mode in ({}, {"SubjectMode": "AWSIdentity"}):
            plain = _claims(sts.get_web_identity_token(**TOKEN, **mode)["WebIdentityToken"])
            assert plain["sub"] == f"arn:aws:iam::{outbound.account.id}:role/{role}"
            assert not {"subject_mode", "scope"} & plain.keys()


_NO_MODE_OR_SCOPE: tuple[dict[str, Any], ...] = (
    {"Scope": "read"},
    {"SubjectMode": "AWSIdentity", "Scope": "read"},
    {"SubjectMode": "OriginIdentity", "Audience": ["a", "b"], "Scope": "read"},
    {"SubjectMode": "OriginIdentity", "Scope": "read read"},
    {"SubjectMode": "OriginIdentity", "Scope": "read  write"},
    {"SubjectMode": "OriginIdentity", "Scope": " read"},
    {"SubjectMode": "OriginIdentity", "Scope": "read "},
    {"SubjectMode": "OriginIdentity", "Scope": 'a"b'},
    {"SubjectMode": "OriginIdentity", "Scope": "a,b"},
    {"SubjectMode": "OriginIdentity", "Scope": "a\\b"},
    {"SubjectMode": "OriginIdentity", "Scope": "é"},
    {"SubjectMode": "OriginIdentity", "Scope": "r" * 257},
    {"SubjectMode": "originidentity"},
    {"SubjectMode": "Both"},
)


def test_a_scope_or_mode_that_cannot_be_is_refused(outbound: Scene) -> None:
    """AWS's rules for both members."""
    call = outbound.as_session("sts", outbound.sign_in()).get_web_identity_token
    for given in _NO_MODE_OR_SCOPE:
        assert refused(call, **{**TOKEN, **given})[:2] == ("ValidationError", 400), given


def test_scope_values_are_case_sensitive(outbound: Scene) -> None:
    """`read` and `READ` are two values, and 256 characters are allowed."""
    sts = outbound.as_session("sts", outbound.sign_in())
    for scope in ("read READ", "r" * 256):
        assert _claims(sts.get_web_identity_token(**ORIGIN, Scope=scope)["WebIdentityToken"])["scope"] == scope


def test_a_token_needs_an_origin_identity(outbound: Scene) -> None:
    """A session or user without one gets a validation error."""
    outbound.account.iam.update_open_id_connect_provider(
        OpenIDConnectProviderArn=outbound.provider, RemoveContextProvider=True
    )
    call = outbound.as_session("sts", outbound.sign_in()).get_web_identity_token
    code, status, words = refused(call, **ORIGIN)
    assert (code, status) == ("ValidationError", 400)
    assert "aws:OriginIdentity/Subject" in words


_LOOK_ALIKES = (
    "arn:aws:iam::123456789012:role/admin",
    "ARN:x",
    "aRn:",
    " arn:x",
    "\uff41rn:x",  # a letter that compatibility normalization makes an a
    "alice ",
    " alice",
    "alice\u00a0b",
    "alice\u3000b",
)


def test_a_subject_that_looks_like_another_gets_no_token(outbound: Scene) -> None:
    """A trust policy that names a caller by its ARN never accepts the text of an identity provider."""
    for subject in _LOOK_ALIKES:
        answer = outbound.sign_in(email=subject)
        assert answer["TrustedIdentityPropagationContext"]["OriginIdentity"]["Subject"] == subject
        call = outbound.as_session("sts", answer).get_web_identity_token
        assert refused(call, **ORIGIN)[:2] == ("AccessDenied", 403), subject
        assert _claims(call(**TOKEN)["WebIdentityToken"])["sub"].endswith(":role/first")


def test_permissions_limit_mode_and_scope(outbound: Scene) -> None:
    """sts:SubjectMode, sts:SetWebIdentityTokenScope and sts:IdentityTokenScope."""
    iam = outbound.account.iam
    call = outbound.as_session("sts", outbound.sign_in()).get_web_identity_token

    def permit(*statements: dict[str, Any]) -> None:
        iam.put_role_policy(RoleName="first", PolicyName="own", PolicyDocument=document(*statements))

    permit(allow("sts:GetWebIdentityToken", Condition={"StringEquals": {"sts:SubjectMode": "AWSIdentity"}}))
    assert code_of(call, **TOKEN) == ""
    assert code_of(call, **ORIGIN) == "AccessDenied"
    permit(allow("sts:GetWebIdentityToken", Condition={"StringEquals": {"sts:SubjectMode": "OriginIdentity"}}))
    assert code_of(call, **TOKEN) == "AccessDenied"
    assert code_of(call, **ORIGIN) == ""
    refusal = refused(call, **ORIGIN, Scope="read")
    assert refusal[0] == "AccessDenied"
    assert "sts:SetWebIdentityTokenScope" in refusal[2]
    scopes = {"ForAllValues:StringEquals": {"sts:IdentityTokenScope": ["read", "list"]}}
    permit(allow("sts:GetWebIdentityToken"), allow("sts:SetWebIdentityTokenScope", Condition=scopes))
    assert code_of(call, **ORIGIN, Scope="list read") == ""
    assert code_of(call, **ORIGIN, Scope="read write") == "AccessDenied"


def test_the_audience_of_the_first_token_is_irrelevant(scene: Scene) -> None:
    """Another client of the same provider propagates alike."""
    iam = scene.account.iam
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=scene.provider, ClientID="other")
    first, second = (scene.sign_in(aud=audience) for audience in (AUDIENCE, "other"))
    assert first["TrustedIdentityPropagationContext"] == second["TrustedIdentityPropagationContext"]
