"""AssumeRoleWithWebIdentity: a genuine token's rights, the trust policy, and the session's data."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.documents import allow, document, trusting
from tests.web_identity.conftest import AUDIENCE, Account, Fleet, name_of, not_taken, open_account, take

from daypass.testing.oidc import OidcIssuer
from daypass.testing.server import RunningServer
from daypass.testing.tokens import compact

DENIED = ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity")
TAGS = "https://aws.amazon.com/tags"
SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"
ROLES = "https://aws.amazon.com/roles"


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_a_genuine_token_gets_the_role(account: Account, issuer: OidcIssuer, sts: Any, alg: str) -> None:
    """The answer contains the subject, the audience and the provider of the token."""
    trust = account.trust(issuer, StringEquals={f"{name_of(issuer)}:sub": "repo:acme/site"})
    role = account.role("r", trust)
    answer = take(sts, role, issuer.token(alg=alg))
    assert answer["SubjectFromWebIdentityToken"] == "repo:acme/site"
    assert answer["Audience"] == AUDIENCE
    assert answer["Provider"] == f"arn:aws:iam::{account.id}:oidc-provider/{name_of(issuer)}"
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account.id}:assumed-role/r/session"
    assert not {"PackedPolicySize", "SourceIdentity"} & answer.keys()
    who = account.client("sts", answer).get_caller_identity()
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert who["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]


def test_issuers_with_a_path_and_a_last_slash(account: Account, second_issuer: OidcIssuer, sts: Any) -> None:
    """The slash is part of the issuer's name, of the provider's ARN and of its condition keys."""
    name = name_of(second_issuer)
    assert name.endswith("/realms/acme/")
    role = account.role("r", account.trust(second_issuer, StringEquals={f"{name}:aud": AUDIENCE}))
    assert take(sts, role, second_issuer.token())["Provider"].endswith("/realms/acme/")
    other = not_taken(sts, role, second_issuer.token(iss=second_issuer.url.rstrip("/")))
    assert other[2] == f"No OpenIDConnect provider found in your account for {second_issuer.url.rstrip('/')}"


def test_several_issuers_in_one_account_are_separate(
    account: Account, issuer: OidcIssuer, second_issuer: OidcIssuer, sts: Any
) -> None:
    """A role that trusts one issuer trusts no other of the same account, whatever claims its tokens have."""
    mine = account.role("mine", account.trust(issuer))
    theirs = account.role("theirs", account.trust(second_issuer))
    assert take(sts, mine, issuer.token())
    assert take(sts, theirs, second_issuer.token())
    assert not_taken(sts, mine, second_issuer.token()) == DENIED
    assert not_taken(sts, theirs, issuer.token()) == DENIED


def test_one_issuer_in_several_accounts_has_the_terms_of_each(
    server: RunningServer, issuer: OidcIssuer, sts: Any
) -> None:
    """Each account has its own client ids, which other accounts do not trust."""
    first, second = open_account(server), open_account(server)
    one, two = first.role("r", first.trust(issuer)), second.role("r", second.trust(issuer))
    provider = f"arn:aws:iam::{second.id}:oidc-provider/{name_of(issuer)}"
    second.iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID=AUDIENCE)
    assert take(sts, one, issuer.token())
    assert not_taken(sts, two, issuer.token())[0] == "InvalidIdentityToken"
    second.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    assert not_taken(sts, two, issuer.token())[2] == f"No OpenIDConnect provider found in your account for {issuer.url}"


def test_another_account_s_provider_is_not_the_role_s(server: RunningServer, issuer: OidcIssuer, sts: Any) -> None:
    """A trust policy may name another account's provider, but its tokens are refused."""
    mine, other = open_account(server), open_account(server)
    mine.trust(issuer)
    role = mine.role("r", other.trust(issuer))
    assert not_taken(sts, role, issuer.token()) == DENIED


def test_who_the_trust_policy_does_not_mean_is_told_nothing_of_the_role(
    account: Account, issuer: OidcIssuer, sts: Any
) -> None:
    """A role that does not trust the token, a missing role and one with another path get the same refusal."""
    role = account.role("r", account.trust(issuer, StringEquals={f"{name_of(issuer)}:sub": "somebody else"}))
    for arn in (role, role + "x", role.replace("role/r", "role/path/r")):
        assert not_taken(sts, arn, issuer.token()) == DENIED


@pytest.mark.parametrize(
    "principal", ["*", {"AWS": "*"}, {"AWS": "123456789012"}, {"Federated": "accounts.google.com"}]
)
def test_no_other_principal_means_a_web_identity(
    account: Account, issuer: OidcIssuer, sts: Any, principal: Any
) -> None:
    """`AWS: *` means every account, and a token belongs to no account.

    One provider does not match another.
    """
    trust = json.loads(account.trust(issuer))
    trust["Statement"][0]["Principal"] = principal
    trust["Statement"][0]["Condition"] = {"StringLike": {"accounts.google.com:aud": "an-audience"}}
    if principal != {"Federated": "accounts.google.com"}:
        del trust["Statement"][0]["Condition"]
    account.role("r", account.trust(issuer))
    if principal == {"AWS": "123456789012"}:
        trust["Statement"][0]["Principal"] = {"AWS": account.id}
    role = account.role("other", json.dumps(trust))
    assert not_taken(sts, role, issuer.token()) == DENIED


def test_a_deny_for_everybody_means_web_identities_too(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """An explicit Deny takes precedence, and its `*` matches every caller."""
    trust = json.loads(account.trust(issuer))
    condition = {"StringEquals": {f"{name_of(issuer)}:sub": "banned"}}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
    trust["Statement"].append(deny)
    role = account.role("r", json.dumps(trust))
    assert take(sts, role, issuer.token())
    assert not_taken(sts, role, issuer.token(sub="banned")) == DENIED


@pytest.mark.parametrize(
    ("test", "claims"),
    [
        (("StringEquals", "aud", AUDIENCE), {}),
        (("StringEquals", "sub", "repo:acme/site"), {}),
        (("StringLike", "sub", "repo:acme/*"), {}),
        (("StringEquals", "azp", AUDIENCE), {"azp": AUDIENCE, "aud": ["a", "b"]}),
        (("StringEquals", "aud", AUDIENCE), {"azp": AUDIENCE, "aud": ["a", "b"]}),
        (("ForAnyValue:StringEquals", "oaud", "b"), {"azp": AUDIENCE, "aud": ["a", "b"]}),
        (("ForAnyValue:StringEquals", "amr", "mfa"), {"amr": ["pwd", "mfa"]}),
        (("StringEquals", "email", "a@acme.example"), {"email": "a@acme.example"}),
    ],
)
def test_claims_are_condition_keys(
    account: Account, issuer: OidcIssuer, sts: Any, test: tuple[str, str, str], claims: dict[str, Any]
) -> None:
    """The token's claims decide, under the issuer's own name; without the claim the condition is not met."""
    operator, key, value = test
    role = account.role("r", account.trust(issuer, **{operator: {f"{name_of(issuer)}:{key}": value}}))
    assert take(sts, role, issuer.token(claims))
    without = {**claims, "sub": "other", "azp": None, "aud": AUDIENCE, "amr": None, "email": None}
    if key != "aud":
        assert not_taken(sts, role, issuer.token(without)) == DENIED


def test_condition_keys_of_the_request(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """The session's name and the caller's address can be tested, although the call is not signed."""
    trust = account.trust(
        issuer,
        StringEquals={"sts:RoleSessionName": "nightly"},
        IpAddress={"aws:SourceIp": "127.0.0.0/8"},
        Null={"aws:PrincipalArn": "true", "aws:userid": "true", "aws:PrincipalOrgID": "true"},
    )
    role = account.role("r", trust)
    assert take(sts, role, issuer.token(), RoleSessionName="nightly")
    assert not_taken(sts, role, issuer.token()) == DENIED


def test_what_the_session_still_knows(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """Later calls can test the provider, and amr, aud and sub of the token; other claims exist only in the exchange."""
    name = name_of(issuer)
    provider = f"arn:aws:iam::{account.id}:oidc-provider/{name}"
    condition = {
        "StringEquals": {
            "aws:FederatedProvider": provider,
            f"{name}:sub": "repo:acme/site",
            f"{name}:aud": AUDIENCE,
        },
        "ForAnyValue:StringEquals": {f"{name}:amr": "mfa"},
        "Null": {f"{name}:email": "true"},
    }
    may = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": condition}
    role = account.role("r", account.trust(issuer), may)
    token = issuer.token(amr=["mfa", "pwd"], email="a@acme.example")
    assert account.client("iam", take(sts, role, token)).list_users()["Users"] == []
    other = account.client("iam", take(sts, role, issuer.token(sub="other", amr=["mfa"])))
    with pytest.raises(ClientError, match="AccessDenied"):
        other.list_users()


def test_the_end_of_the_token_is_not_the_end_of_the_session(
    account: Account, issuer: OidcIssuer, sts: Any, server: RunningServer
) -> None:
    """A token of a minute gives a session of two hours, as on AWS."""
    role = account.role("r", account.trust(issuer), MaxSessionDuration=7200)
    now = server.clock.now()
    token = issuer.token(exp=int(now.timestamp()) + 60)
    ends = take(sts, role, token, DurationSeconds=7200)["Credentials"]["Expiration"]
    assert timedelta(seconds=7190) < ends.astimezone(UTC) - now < timedelta(seconds=7210)
    hour = take(sts, role, token)["Credentials"]["Expiration"]
    assert timedelta(seconds=3590) < hour.astimezone(UTC) - now < timedelta(seconds=3610)
    assert isinstance(hour, datetime)


def test_a_role_s_longest_session_holds(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """A DurationSeconds above the role's own maximum is refused."""
    role = account.role("r", account.trust(issuer))
    words = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    assert not_taken(sts, role, issuer.token(), DurationSeconds=3601) == ("ValidationError", 400, words)


NESTED = {TAGS: {"principal_tags": {"Project": ["Heart"], "Cost": ["42"]}, "transitive_tag_keys": ["Project"]}}
FLAT = {
    f"{TAGS}/principal_tags/Project": "Heart",
    f"{TAGS}/principal_tags/Cost": "42",
    f"{TAGS}/transitive_tag_keys": ["Project"],
}


@pytest.mark.parametrize("claims", [NESTED, FLAT], ids=["nested", "flat"])
def test_a_token_tags_the_session(account: Account, issuer: OidcIssuer, sts: Any, claims: dict[str, Any]) -> None:
    """Tags of the token are request tags for the trust policy, principal tags in the session, may be transitive."""
    trust = account.trust(
        issuer,
        StringEquals={"aws:RequestTag/Project": "Heart"},
        **{
            "ForAllValues:StringEquals": {"aws:TagKeys": ["Project", "Cost"], "sts:TransitiveTagKeys": ["Project"]},
        },
    )
    may = {
        "Effect": "Allow",
        "Action": ["iam:ListUsers", "sts:*"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/Project": "Heart", "aws:PrincipalTag/Cost": "42"}},
    }
    role = account.role("r", trust, may)
    answer = take(sts, role, issuer.token(claims))
    assert answer["PackedPolicySize"] > 0
    assert account.client("iam", answer).list_users()["Users"] == []
    next_role = account.role(
        "next",
        document(
            trusting(
                {"AWS": account.id},
                ["sts:AssumeRole", "sts:TagSession"],
                Condition={"StringEquals": {"aws:PrincipalTag/Project": "Heart"}},
            )
        ),
    )
    chained = account.client("sts", answer).assume_role(RoleArn=next_role, RoleSessionName="next")
    assert chained["PackedPolicySize"] > 0


@pytest.mark.parametrize(
    ("claims", "action"),
    [(NESTED, "sts:TagSession"), ({SOURCE_IDENTITY: "alice"}, "sts:SetSourceIdentity")],
)
def test_tags_and_source_identity_need_permissions_of_their_own(
    account: Account, issuer: OidcIssuer, sts: Any, claims: dict[str, Any], action: str
) -> None:
    """A trust policy that only allows the action itself allows neither tags nor a source identity."""
    trust = json.loads(account.trust(issuer))
    trust["Statement"][0]["Action"] = "sts:AssumeRoleWithWebIdentity"
    role = account.role("r", json.dumps(trust))
    assert take(sts, role, issuer.token())
    assert not_taken(sts, role, issuer.token(claims)) == ("AccessDenied", 403, f"Not authorized to perform {action}")


def test_a_source_identity_is_shown_and_stays(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """It is in the answer, can be tested by the trust policy, and cannot be changed along a chain."""
    trust = account.trust(issuer, StringEquals={"sts:SourceIdentity": "alice"})
    role = account.role("r", trust, {"Effect": "Allow", "Action": "*", "Resource": "*"})
    answer = take(sts, role, issuer.token({SOURCE_IDENTITY: "alice"}))
    assert answer["SourceIdentity"] == "alice"
    assert not_taken(sts, role, issuer.token({SOURCE_IDENTITY: "bob"})) == DENIED
    next_role = account.role(
        "next", document(trusting({"AWS": account.id}, ["sts:AssumeRole", "sts:SetSourceIdentity"]))
    )
    client = account.client("sts", answer)
    assert client.assume_role(RoleArn=next_role, RoleSessionName="next")["SourceIdentity"] == "alice"
    with pytest.raises(ClientError, match="The source identity is already set"):
        client.assume_role(RoleArn=next_role, RoleSessionName="next", SourceIdentity="bob")


def test_a_token_with_a_list_of_roles_gets_those_alone(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """The list applies to every role, and a trust policy can test whether there was one."""
    role = account.role("r", account.trust(issuer, Bool={"sts:RoleAuthorizedByIdp": "true"}))
    assert take(sts, role, issuer.token({ROLES: [role]}))
    assert not_taken(sts, role, issuer.token()) == DENIED
    words = "The target role ARN is not present in the roles claim of the identity token"
    other = issuer.token({ROLES: [role + "x", f"arn:aws:iam::{account.id}:role/*"]})
    assert not_taken(sts, role, other) == ("InvalidIdentityToken", 400, words)


def test_session_policies_cut_the_session(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """A session may only do what both the role's policies and the session policy allow."""
    role = account.role("r", account.trust(issuer), {"Effect": "Allow", "Action": "iam:*", "Resource": "*"})
    only = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}}
    answer = take(sts, role, issuer.token(), Policy=json.dumps(only))
    assert answer["PackedPolicySize"] > 0
    iam = account.client("iam", answer)
    assert iam.list_users()["Users"] == []
    with pytest.raises(ClientError, match="no session policy allows the iam:ListRoles action"):
        iam.list_roles()


def test_too_much_of_policies_and_tags(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """2,048 characters of session policies; tags and policies together within the space of a session."""
    role = account.role("r", account.trust(issuer))
    long = document(allow("s3:GetObject", "arn:aws:s3:::" + "b" * 2000))
    code, status, _ = not_taken(sts, role, issuer.token(), Policy=long)
    assert (code, status) == ("PackedPolicyTooLarge", 400)
    tags = {f"key-{number}": [hashlib.sha512(b"%d" % number).hexdigest()] for number in range(20)}
    code, status, words = not_taken(sts, role, issuer.token({TAGS: {"principal_tags": tags}}))
    assert (code, status) == ("PackedPolicyTooLarge", 400)
    assert words.startswith("Packed size of session tags consumes ")
    code, _, _ = not_taken(sts, role, issuer.token(), Policy="{}")
    assert code == "MalformedPolicyDocument"


def test_the_audit_says_whose_token_it_was(account: Account, issuer: OidcIssuer, sts: Any) -> None:
    """The caller belongs to no account; its name is provider, audience and subject, as in CloudTrail."""
    role = account.role("r", account.trust(issuer))
    take(sts, role, issuer.token())
    record = account.server.audit.audit_records[-1]
    assert record.caller is not None
    assert record.caller.account == ""
    assert record.caller.user_id == (
        f"arn:aws:iam::{account.id}:oidc-provider/{name_of(issuer)}:{AUDIENCE}:repo:acme/site"
    )


def test_a_signed_call_is_judged_by_its_token_alone(
    account: Account, issuer: OidcIssuer, server: RunningServer
) -> None:
    """The signer does not matter: without a token a root user gets no session, with one only the token's rights."""
    role = account.role("r", account.trust(issuer, StringEquals={f"{name_of(issuer)}:sub": "repo:acme/site"}))
    signed = account.client("sts", {"Credentials": {"AccessKeyId": "AKIA" + "A" * 16, "SecretAccessKey": "x" * 40}})
    assert take(signed, role, issuer.token())
    assert not_taken(signed, role, issuer.token(sub="other")) == DENIED


@pytest.mark.parametrize("by_issuer", [True, False])
def test_an_address_in_the_header_is_never_contacted(
    account: Account, fleet: Fleet, sts: Any, *, by_issuer: bool
) -> None:
    """SAP's tokens carry jku. The provider's keys decide, even if the address has a key that made the signature."""
    with fleet.issuer() as own, fleet.issuer() as other:
        role = account.role("header", account.trust(own))
        assert take(sts, role, own.token())
        signer = own.signing["RS256"] if by_issuer else other.signing["RS256"]
        kid = own.signing["RS256"].kid
        for members in ({"jku": f"{other.url}/jwks"}, {"x5u": f"{other.url}/chain.pem"}, {"jwk": signer.jwk()}):
            token = compact({"alg": "RS256", "typ": "JWT", "kid": kid, **members}, own.claims(), signer)
            if by_issuer:
                assert take(sts, role, token)["SubjectFromWebIdentityToken"] == "repo:acme/site"
            else:
                assert not_taken(sts, role, token)[0] == "InvalidIdentityToken"
        assert not other.requests
