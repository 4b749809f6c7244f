"""A root user cannot act on another account by its names and ARNs."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.documents import allow, document

from daypass.bootstrap import RootKey
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

EVERYTHING = document(allow("*"))
TAGS = [{"Key": "taken", "Value": "over"}]

# Action and parameters: {a} is the prefix of the victim's ARNs, {key} its user's access key.
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_policy", {"PolicyArn": "{a}:policy/p"}),
    ("get_policy_version", {"PolicyArn": "{a}:policy/p", "VersionId": "v1"}),
    ("list_policy_versions", {"PolicyArn": "{a}:policy/p"}),
    ("list_entities_for_policy", {"PolicyArn": "{a}:policy/p"}),
    ("list_policy_tags", {"PolicyArn": "{a}:policy/p"}),
    ("create_policy_version", {"PolicyArn": "{a}:policy/p", "PolicyDocument": EVERYTHING, "SetAsDefault": True}),
    ("set_default_policy_version", {"PolicyArn": "{a}:policy/p", "VersionId": "v1"}),
    ("delete_policy_version", {"PolicyArn": "{a}:policy/p", "VersionId": "v1"}),
    ("tag_policy", {"PolicyArn": "{a}:policy/p", "Tags": TAGS}),
    ("delete_policy", {"PolicyArn": "{a}:policy/p"}),
    ("attach_user_policy", {"UserName": "eve", "PolicyArn": "{a}:policy/p"}),
    ("put_user_permissions_boundary", {"UserName": "eve", "PermissionsBoundary": "{a}:policy/p"}),
    ("create_user", {"UserName": "new", "PermissionsBoundary": "{a}:policy/p"}),
    ("update_access_key", {"UserName": "eve", "AccessKeyId": "{key}", "Status": "Inactive"}),
    ("delete_access_key", {"AccessKeyId": "{key}"}),
    ("get_access_key_last_used", {"AccessKeyId": "{key}"}),
    ("get_mfa_device", {"SerialNumber": "{a}:mfa/d"}),
    ("list_mfa_device_tags", {"SerialNumber": "{a}:mfa/d"}),
    ("tag_mfa_device", {"SerialNumber": "{a}:mfa/d", "Tags": TAGS}),
    ("delete_virtual_mfa_device", {"SerialNumber": "{a}:mfa/d"}),
    ("get_open_id_connect_provider", {"OpenIDConnectProviderArn": "{a}:oidc-provider/id.example.com"}),
    (
        "update_open_id_connect_provider_thumbprint",
        {"OpenIDConnectProviderArn": "{a}:oidc-provider/id.example.com", "ThumbprintList": ["a" * 40]},
    ),
    ("tag_open_id_connect_provider", {"OpenIDConnectProviderArn": "{a}:oidc-provider/id.example.com", "Tags": TAGS}),
    ("simulate_principal_policy", {"PolicySourceArn": "{a}:user/bob", "ActionNames": ["iam:GetUser"]}),
    ("get_context_keys_for_principal_policy", {"PolicySourceArn": "{a}:user/bob"}),
    ("list_policies_granting_service_access", {"Arn": "{a}:user/bob", "ServiceNamespaces": ["iam"]}),
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on which the first account is the attacker's."""
    with running_server() as running:
        client_factory(running)("iam").create_user(UserName="eve")
        yield running


@pytest.fixture(scope="module")
def victim(server: RunningServer) -> RootKey:
    """Create the account that is attacked."""
    root = server.new_account()
    iam = client_factory(server)("iam", root)
    iam.create_policy(PolicyName="p", PolicyDocument=EVERYTHING)
    iam.create_user(UserName="bob")
    iam.create_virtual_mfa_device(VirtualMFADeviceName="d")
    iam.create_open_id_connect_provider(Url="https://id.example.com", ClientIDList=["app"])
    return root


@pytest.fixture(scope="module")
def key(server: RunningServer, victim: RootKey) -> str:
    """Create a key of the victim's user, and return its ID."""
    made = client_factory(server)("iam", victim).create_access_key(UserName="bob")
    return str(made["AccessKey"]["AccessKeyId"])


@pytest.mark.parametrize(("action", "parameters"), CALLS, ids=[action for action, _ in CALLS])
def test_what_is_another_accounts_is_as_good_as_missing(
    server: RunningServer, victim: RootKey, key: str, action: str, parameters: dict[str, Any]
) -> None:
    """The error is that for entities that do not exist, so the caller learns no more."""
    names = {"a": f"arn:aws:iam::{victim.account}", "key": key}
    filled = {
        name: value.format_map(names) if isinstance(value, str) and not value.startswith('{"') else value
        for name, value in parameters.items()
    }
    iam = client_factory(server)("iam")
    with pytest.raises(ClientError) as caught:
        getattr(iam, action)(**filled)
    wanted = "AccessDenied" if action == "get_access_key_last_used" else "NoSuchEntity"
    assert caught.value.response["Error"]["Code"] == wanted
