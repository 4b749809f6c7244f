"""OpenID Connect providers: answers as on AWS, and shared issuers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, document
from tests.iam.conftest import body
from tests.refusals import refused

from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

THUMBPRINT = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"


def arn_of(account: str, name: str) -> str:
    """Return a provider's ARN."""
    return f"arn:aws:iam::{account}:oidc-provider/{name}"


def federated(provider: str, **condition: Any) -> str:
    """Return a trust policy for web identities of one provider."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    return document({**statement, "Condition": condition} if condition else statement)


def test_a_provider_lives_and_is_shown_as_on_aws(iam: Any, account: str) -> None:
    """The ARN and the URL omit https://; lists have only ARNs.

    Deleting a provider twice is not an error.
    """
    created = iam.create_open_id_connect_provider(
        Url="https://issuer.example/realms/acme",
        ClientIDList=["sts.amazonaws.com", "other"],
        ThumbprintList=[THUMBPRINT.upper()],
        Tags=[{"Key": "team", "Value": "blue"}],
    )
    arn = arn_of(account, "issuer.example/realms/acme")
    assert body(created) == {"OpenIDConnectProviderArn": arn, "Tags": [{"Key": "team", "Value": "blue"}]}
    shown = body(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn))
    assert shown.pop("CreateDate")
    assert shown == {
        "Url": "issuer.example/realms/acme",
        "ClientIDList": ["sts.amazonaws.com", "other"],
        "ThumbprintList": [THUMBPRINT],
        "Tags": [{"Key": "team", "Value": "blue"}],
    }
    listed = [{"Arn": arn, "IsTrustedIdentityPropagationEnabled": False}]
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == listed
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    missing = ("NoSuchEntity", 404, f"OpenIDConnect Provider not found for arn {arn}")
    assert refused(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn) == missing


def test_path_case_and_last_slash_make_another_issuer(iam: Any, account: str) -> None:
    """Issuers are compared exactly, thus each spelling is its own provider."""
    names = ["issuer.example", "issuer.example/", "issuer.example/a", "issuer.example/a/", "issuer.example/A"]
    for name in names:
        iam.create_open_id_connect_provider(Url=f"https://{name}")
    listed = [provider["Arn"] for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    assert sorted(listed) == sorted(arn_of(account, name) for name in names)


def test_a_url_is_taken_once_in_an_account_and_again_in_another(
    iam: Any, server: RunningServer, as_caller: ClientFactory
) -> None:
    """An issuer has at most one provider in each account."""
    iam.create_open_id_connect_provider(Url="https://issuer.example")
    taken = ("EntityAlreadyExists", 409, "Provider with url https://issuer.example already exists.")
    assert refused(iam.create_open_id_connect_provider, Url="https://issuer.example") == taken
    other: RootKey = server.new_account()
    created = as_caller("iam", other).create_open_id_connect_provider(Url="https://issuer.example")
    assert created["OpenIDConnectProviderArn"] == arn_of(other.account, "issuer.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example",
        "issuer.example",
        "https://",
        "https://issuer.example?tenant=a",
        "https://issuer.example#a",
        "https://user@issuer.example",
        "https://issuer example",
        "https://issuer.example:port",
        "HTTPS://issuer.example",
    ],
)
def test_what_is_no_issuer_url_is_refused(iam: Any, url: str) -> None:
    """An issuer is an https URL without query, fragment and user.

    Source: Discovery 1.0 section 2.
    """
    expected = ("ValidationError", 400, "Invalid Open ID Connect Provider URL")
    assert refused(iam.create_open_id_connect_provider, Url=url) == expected


@pytest.mark.parametrize("host", ["aws", "STS", "iam:8443", "saml"])
def test_an_issuer_whose_condition_keys_would_pass_for_aws_s_is_refused(iam: Any, host: str) -> None:
    """An issuer must not set AWS's condition keys: a claim of the issuer `https://aws` would be the key `aws:…`."""
    assert refused(iam.create_open_id_connect_provider, Url=f"https://{host}")[0] == "ValidationError"


def test_client_ids_are_added_and_removed_and_twice_is_once(iam: Any) -> None:
    """Adding an existing id or removing a missing one is not an error."""
    arn = iam.create_open_id_connect_provider(Url="https://issuer.example", ClientIDList=["a"])
    provider = {"OpenIDConnectProviderArn": arn["OpenIDConnectProviderArn"]}
    for client_id in ("b", "b"):
        iam.add_client_id_to_open_id_connect_provider(**provider, ClientID=client_id)
    assert iam.get_open_id_connect_provider(**provider)["ClientIDList"] == ["a", "b"]
    for client_id in ("a", "a"):
        iam.remove_client_id_from_open_id_connect_provider(**provider, ClientID=client_id)
    assert iam.get_open_id_connect_provider(**provider)["ClientIDList"] == ["b"]


def test_the_limits_of_a_provider(iam: Any) -> None:
    """A provider has at most 100 client ids and five thumbprints."""
    hundred = [f"client-{number}" for number in range(100)]
    quota = ("LimitExceeded", 409, "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100")
    url = {"Url": "https://issuer.example"}
    assert refused(iam.create_open_id_connect_provider, **url, ClientIDList=[*hundred, "more"]) == quota
    several = refused(iam.create_open_id_connect_provider, **url, ThumbprintList=[THUMBPRINT] * 6)
    assert several == ("InvalidInput", 400, "Thumbprint list must contain fewer than 5 entries.")
    odd = refused(iam.create_open_id_connect_provider, **url, ThumbprintList=["z" * 40])
    assert odd == ("InvalidInput", 400, f"Thumbprint {'z' * 40} is not hexadecimal.")
    arn = iam.create_open_id_connect_provider(**url, ClientIDList=hundred)["OpenIDConnectProviderArn"]
    add = iam.add_client_id_to_open_id_connect_provider
    assert refused(add, OpenIDConnectProviderArn=arn, ClientID="more") == quota


def test_thumbprints_are_replaced(iam: Any) -> None:
    """UpdateOpenIDConnectProviderThumbprint replaces the whole list."""
    arn = iam.create_open_id_connect_provider(Url="https://issuer.example", ThumbprintList=[THUMBPRINT])
    provider = {"OpenIDConnectProviderArn": arn["OpenIDConnectProviderArn"]}
    iam.update_open_id_connect_provider_thumbprint(**provider, ThumbprintList=["0" * 40, "1" * 40])
    assert iam.get_open_id_connect_provider(**provider)["ThumbprintList"] == ["0" * 40, "1" * 40]


def test_tags_are_put_listed_and_removed(iam: Any) -> None:
    """Tag keys of providers are case-sensitive."""
    arn = iam.create_open_id_connect_provider(Url="https://issuer.example")["OpenIDConnectProviderArn"]
    tags = [{"Key": "Team", "Value": "a"}, {"Key": "team", "Value": "b"}]
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=tags)
    assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"] == tags
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["Team"])
    assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"] == tags[1:]


def test_another_account_s_provider_is_as_good_as_missing(
    iam: Any, server: RunningServer, as_caller: ClientFactory
) -> None:
    """An ARN of another account gives no access, and cannot delete a provider."""
    other = as_caller("iam", server.new_account())
    arn = other.create_open_id_connect_provider(Url="https://issuer.example")["OpenIDConnectProviderArn"]
    for call in (iam.get_open_id_connect_provider, iam.list_open_id_connect_provider_tags):
        assert refused(call, OpenIDConnectProviderArn=arn)[0] == "NoSuchEntity"
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert other.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["Url"] == "issuer.example"


def test_permissions_are_checked_for_the_provider(account: str, iam: Any, user_client: Callable[..., Any]) -> None:
    """The resource is the provider's ARN; its tags are condition keys.

    Creating with tags requires the permission to tag as well.
    """
    mine = document(
        allow(["iam:CreateOpenIDConnectProvider"], arn_of(account, "issuer.example*")),
        allow(
            ["iam:GetOpenIDConnectProvider"],
            "*",
            Condition={"StringEquals": {"aws:ResourceTag/team": "blue"}},
        ),
    )
    user = user_client("u", mine)
    denied = refused(user.create_open_id_connect_provider, Url="https://elsewhere.example")
    assert denied[0] == "AccessDenied"
    assert f"iam:CreateOpenIDConnectProvider on resource: {arn_of(account, 'elsewhere.example')}" in denied[2]
    born_tagged = refused(
        user.create_open_id_connect_provider,
        Url="https://issuer.example",
        Tags=[{"Key": "team", "Value": "blue"}],
    )
    assert "iam:TagOpenIDConnectProvider" in born_tagged[2]
    arn = user.create_open_id_connect_provider(Url="https://issuer.example")["OpenIDConnectProviderArn"]
    assert refused(user.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)[0] == "AccessDenied"
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "team", "Value": "blue"}])
    assert user.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["Url"] == "issuer.example"


def test_a_trust_policy_for_a_shared_issuer_must_say_whose_tokens(iam: Any, account: str) -> None:
    """A trust policy for GitHub's issuer must restrict the repository.

    Otherwise every GitHub user could assume the role.
    """
    github = "token.actions.githubusercontent.com"
    open_to_all = federated(arn_of(account, github), StringEquals={f"{github}:aud": "sts.amazonaws.com"})
    refusal = refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=open_to_all)
    assert refusal[:2] == ("MalformedPolicyDocument", 400)
    assert f"{github}:sub" in refusal[2]
    bound = federated(arn_of(account, github), StringLike={f"{github}:sub": "repo:acme/*"})
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=bound)
    again = refused(iam.update_assume_role_policy, RoleName="r", PolicyDocument=open_to_all)
    assert again[:2] == ("MalformedPolicyDocument", 400)
    assert iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"] == json.loads(bound)


def test_a_trust_policy_for_one_s_own_issuer_may_be_as_open_as_one_likes(iam: Any, account: str) -> None:
    """A trust policy for a private issuer does not need conditions.

    The owner of the issuer decides who gets its tokens.
    """
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=federated(arn_of(account, "issuer.example")))
