"""Nobody learns what another account has, nor what others in the account have: missing and forbidden look alike."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.refusals import code_of
from tests.sts.authenticator import enrol, new_device

from daypass.bootstrap import RootKey
from daypass.directory import records
from daypass.directory.mfa_entities import HARDWARE, MfaDevice
from daypass.testing.plugin import client_factory
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

TAGS = [{"Key": "k", "Value": "v"}]
NOBODY = "000000000042"
IDP = SamlIdentityProvider(keys=[make_key_pair("p-256")])


def document(action: str, resource: str = "*", **more: Any) -> str:
    """Return a policy of one statement."""
    statement = {"Effect": "Allow", "Action": action, **({"Resource": resource} if resource else {}), **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


EVERYTHING = document("*")
OPEN = document("sts:AssumeRole", "", Principal="*")
CLOSED = document("sts:AssumeRole", "", Principal={"AWS": "arn:aws:iam::{account}:root"})

# Service, action and parameters: {a} is how the ARNs of an account begin, {n} names a thing that one account has,
# {key} is a key's id and {account} an account's number.
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("iam", "get_policy", {"PolicyArn": "{a}:policy/{n}"}),
    ("iam", "get_policy_version", {"PolicyArn": "{a}:policy/{n}", "VersionId": "v1"}),
    ("iam", "list_policy_versions", {"PolicyArn": "{a}:policy/{n}"}),
    ("iam", "list_entities_for_policy", {"PolicyArn": "{a}:policy/{n}"}),
    ("iam", "list_policy_tags", {"PolicyArn": "{a}:policy/{n}"}),
    ("iam", "create_policy_version", {"PolicyArn": "{a}:policy/{n}", "PolicyDocument": EVERYTHING}),
    ("iam", "set_default_policy_version", {"PolicyArn": "{a}:policy/{n}", "VersionId": "v1"}),
    ("iam", "delete_policy_version", {"PolicyArn": "{a}:policy/{n}", "VersionId": "v2"}),
    ("iam", "tag_policy", {"PolicyArn": "{a}:policy/{n}", "Tags": TAGS}),
    ("iam", "untag_policy", {"PolicyArn": "{a}:policy/{n}", "TagKeys": ["k"]}),
    ("iam", "delete_policy", {"PolicyArn": "{a}:policy/{n}"}),
    ("iam", "attach_user_policy", {"UserName": "eve", "PolicyArn": "{a}:policy/{n}"}),
    ("iam", "detach_user_policy", {"UserName": "eve", "PolicyArn": "{a}:policy/{n}"}),
    ("iam", "attach_group_policy", {"GroupName": "eves", "PolicyArn": "{a}:policy/{n}"}),
    ("iam", "attach_role_policy", {"RoleName": "eves", "PolicyArn": "{a}:policy/{n}"}),
    ("iam", "put_user_permissions_boundary", {"UserName": "eve", "PermissionsBoundary": "{a}:policy/{n}"}),
    ("iam", "put_role_permissions_boundary", {"RoleName": "eves", "PermissionsBoundary": "{a}:policy/{n}"}),
    ("iam", "create_user", {"UserName": "new", "PermissionsBoundary": "{a}:policy/{n}"}),
    (
        "iam",
        "create_role",
        {"RoleName": "new", "AssumeRolePolicyDocument": OPEN, "PermissionsBoundary": "{a}:policy/{n}"},
    ),
    ("iam", "update_access_key", {"UserName": "eve", "AccessKeyId": "{key}", "Status": "Inactive"}),
    ("iam", "delete_access_key", {"AccessKeyId": "{key}"}),
    ("iam", "delete_access_key", {"UserName": "eve", "AccessKeyId": "{key}"}),
    ("iam", "get_access_key_last_used", {"AccessKeyId": "{key}"}),
    ("iam", "get_mfa_device", {"SerialNumber": "{a}:mfa/{n}"}),
    ("iam", "get_mfa_device", {"SerialNumber": "{a}:mfa/{n}", "UserName": "eve"}),
    ("iam", "list_mfa_device_tags", {"SerialNumber": "{a}:mfa/{n}"}),
    ("iam", "tag_mfa_device", {"SerialNumber": "{a}:mfa/{n}", "Tags": TAGS}),
    ("iam", "untag_mfa_device", {"SerialNumber": "{a}:mfa/{n}", "TagKeys": ["k"]}),
    ("iam", "delete_virtual_mfa_device", {"SerialNumber": "{a}:mfa/{n}"}),
    ("iam", "deactivate_mfa_device", {"UserName": "eve", "SerialNumber": "{a}:mfa/{n}"}),
    (
        "iam",
        "enable_mfa_device",
        {
            "UserName": "eve",
            "SerialNumber": "{a}:mfa/{n}",
            "AuthenticationCode1": "123456",
            "AuthenticationCode2": "654321",
        },
    ),
    ("iam", "get_open_id_connect_provider", {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com"}),
    ("iam", "delete_open_id_connect_provider", {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com"}),
    (
        "iam",
        "add_client_id_to_open_id_connect_provider",
        {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com", "ClientID": "x"},
    ),
    (
        "iam",
        "remove_client_id_from_open_id_connect_provider",
        {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com", "ClientID": "x"},
    ),
    (
        "iam",
        "update_open_id_connect_provider_thumbprint",
        {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com", "ThumbprintList": ["a" * 40]},
    ),
    (
        "iam",
        "tag_open_id_connect_provider",
        {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com", "Tags": TAGS},
    ),
    (
        "iam",
        "list_open_id_connect_provider_tags",
        {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com"},
    ),
    ("iam", "get_saml_provider", {"SAMLProviderArn": "{a}:saml-provider/{n}"}),
    ("iam", "delete_saml_provider", {"SAMLProviderArn": "{a}:saml-provider/{n}"}),
    ("iam", "update_saml_provider", {"SAMLProviderArn": "{a}:saml-provider/{n}", "AssertionEncryptionMode": "Allowed"}),
    ("iam", "tag_saml_provider", {"SAMLProviderArn": "{a}:saml-provider/{n}", "Tags": TAGS}),
    ("iam", "untag_saml_provider", {"SAMLProviderArn": "{a}:saml-provider/{n}", "TagKeys": ["k"]}),
    ("iam", "list_saml_provider_tags", {"SAMLProviderArn": "{a}:saml-provider/{n}"}),
    ("iam", "simulate_principal_policy", {"PolicySourceArn": "{a}:user/{n}", "ActionNames": ["iam:GetUser"]}),
    ("iam", "simulate_principal_policy", {"PolicySourceArn": "{a}:role/{n}", "ActionNames": ["iam:GetUser"]}),
    (
        "iam",
        "simulate_custom_policy",
        {
            "PolicyInputList": [EVERYTHING],
            "ActionNames": ["sts:AssumeRole"],
            "ResourceArns": ["{a}:role/{n}"],
            "CallerArn": "{a}:user/{n}",
        },
    ),
    (
        "iam",
        "simulate_custom_policy",
        {"PolicyInputList": [EVERYTHING], "ActionNames": ["iam:GetUser"], "ResourceOwner": "{a}:root"},
    ),
    ("iam", "get_context_keys_for_principal_policy", {"PolicySourceArn": "{a}:user/{n}"}),
    ("iam", "list_policies_granting_service_access", {"Arn": "{a}:user/{n}", "ServiceNamespaces": ["iam"]}),
    ("iam", "generate_service_last_accessed_details", {"Arn": "{a}:user/{n}"}),
    ("sts", "assume_role", {"RoleArn": "{a}:role/{n}", "RoleSessionName": "probe"}),
    ("sts", "assume_role", {"RoleArn": "{a}:role/{n}", "RoleSessionName": "probe", "DurationSeconds": 43_200}),
    ("sts", "assume_role", {"RoleArn": "{a}:role/{n}", "RoleSessionName": "probe", "Tags": TAGS}),
    ("sts", "assume_role", {"RoleArn": "{a}:role/{n}", "RoleSessionName": "probe", "ExternalId": "xx"}),
    ("sts", "get_federation_token", {"Name": "probe", "PolicyArns": [{"arn": "{a}:policy/{n}"}]}),
    (
        "sts",
        "assume_root",
        {
            "TargetPrincipal": "{account}",
            "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"},
        },
    ),
)
# What AWS itself tells anybody, and tools rely on: whether a principal of a trust policy exists (CreateRole), whether
# an alias is taken, and of which account a key is (GetAccessKeyInfo). docs/operating.md says so.


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on which the first account is the prober's."""
    with running_server() as running:
        iam = client_factory(running)("iam")
        iam.create_user(UserName="eve")
        iam.create_group(GroupName="eves")
        iam.create_role(RoleName="eves", AssumeRolePolicyDocument=CLOSED.replace("{account}", running.root.account))
        yield running


@pytest.fixture(scope="module")
def victim(server: RunningServer) -> RootKey:
    """Make an account that has one thing of each kind, all of them named `here`."""
    root = server.new_account()
    iam = client_factory(server)("iam", root)
    iam.create_policy(PolicyName="here", PolicyDocument=EVERYTHING)
    iam.create_user(UserName="here")
    iam.create_role(RoleName="here", AssumeRolePolicyDocument=CLOSED.replace("{account}", root.account))
    iam.create_virtual_mfa_device(VirtualMFADeviceName="here")
    iam.create_open_id_connect_provider(Url="https://here.example.com", ClientIDList=["app"])
    iam.create_saml_provider(Name="here", SAMLMetadataDocument=IDP.metadata_xml())
    return root


@pytest.fixture(scope="module")
def eve(server: RunningServer) -> Any:
    """Return the key of a user who may do everything in the prober's account."""
    iam = client_factory(server)("iam")
    iam.put_user_policy(UserName="eve", PolicyName="all", PolicyDocument=EVERYTHING)
    return iam.create_access_key(UserName="eve")["AccessKey"]


@pytest.fixture(scope="module")
def subjects(server: RunningServer, victim: RootKey) -> list[dict[str, str]]:
    """Name what is there, what is not, and what would be in an account that does not exist."""
    iam = client_factory(server)("iam", victim)
    here, gone = (iam.create_access_key(UserName="here")["AccessKey"]["AccessKeyId"] for _ in range(2))
    iam.delete_access_key(UserName="here", AccessKeyId=gone)
    cases = ((victim.account, "here", here), (victim.account, "gone", gone), (NOBODY, "here", gone))
    return [{"a": f"arn:aws:iam::{account}", "n": name, "key": key, "account": account} for account, name, key in cases]


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return parameters with the names in their places."""
    if isinstance(value, dict):
        return {name: filled(each, names) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, names) for each in value]
    if not isinstance(value, str):
        return value
    for name, given in names.items():
        value = value.replace("{" + name + "}", given)
    return value


def told(client: Any, action: str, parameters: dict[str, Any], names: dict[str, str]) -> str:
    """Return everything that a call tells but its request id and the names that the caller gave."""
    try:
        answer = getattr(client, action)(**filled(parameters, names))
    except ClientError as refusal:
        answer = refusal.response
    status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
    text = f"{status} {json.dumps(answer, default=str, sort_keys=True)}"
    for name, given in sorted(names.items(), key=lambda item: -len(item[1])):
        text = text.replace(given, "{" + name + "}")
    return text


@pytest.mark.parametrize(("service", "action", "parameters"), CALLS, ids=[f"{n}-{c[1]}" for n, c in enumerate(CALLS)])
def test_what_another_account_has_looks_as_if_it_were_missing(
    server: RunningServer,
    subjects: list[dict[str, str]],
    eve: Any,
    service: str,
    action: str,
    parameters: dict[str, Any],
) -> None:
    """One answer for what is there, for what is not, and for an account that is not."""
    client = client_factory(server)(service, eve)
    answers = {told(client, action, parameters, names) for names in subjects}
    assert len(answers) == 1


def test_a_delegation_request_tells_no_account_number(server: RunningServer, victim: RootKey) -> None:
    """A request to an account that does not exist is made like any other, looks like any other, and expires."""
    iam = client_factory(server)("iam")
    iam.create_policy(PolicyName="template", PolicyDocument=EVERYTHING)
    answers = set()
    for number, account in enumerate((victim.account, NOBODY)):
        made = iam.create_delegation_request(
            OwnerAccountId=account,
            Description="access",
            Permissions={"PolicyTemplateArn": f"arn:aws:iam::{server.root.account}:policy/template"},
            RequestorWorkflowId=f"workflow-{number}",
            NotificationChannel="https://hooks.example.com/",
            SessionDuration=3600,
        )
        shown = iam.get_delegation_request(DelegationRequestId=made["DelegationRequestId"])["DelegationRequest"]
        del shown["DelegationRequestId"], shown["CreateDate"], shown["UpdatedTime"], shown["ExpirationTime"]
        answers.add(json.dumps(shown).replace(account, "{account}"))
    assert len(answers) == 1


SELF = document("iam:*MFADevice*", "arn:aws:iam::*:user/${aws:username}")
ON_A_SERIAL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_mfa_device", {}),
    ("delete_virtual_mfa_device", {}),
    ("list_mfa_device_tags", {}),
    ("tag_mfa_device", {"Tags": TAGS}),
    ("untag_mfa_device", {"TagKeys": ["k"]}),
)


@pytest.fixture(scope="module")
def devices(server: RunningServer) -> dict[str, str]:
    """Make devices of root, of another user and of nobody, virtual ones and a token; and name one that is missing."""
    server.clock.freeze()
    iam = client_factory(server)("iam")
    iam.create_user(UserName="bob", Tags=[{"Key": "team", "Value": "b"}])
    iam.create_user(UserName="mallory", Tags=[{"Key": "team", "Value": "m"}])
    iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=SELF)
    made = {who: new_device(iam, server.clock, who) for who in ("root", "bob", "nobody", "mallory")}
    for who in ("root", "bob", "mallory"):
        enrol(iam, made[who], who)
    with server.there.store.write() as writer:
        token = MfaDevice(
            serial="GAHT12345678",
            account=server.root.account,
            kind=HARDWARE,
            created=server.clock.now(),
            sealed_seed=b"",
        )
        records.insert(writer, token)
    missing = f"arn:aws:iam::{server.root.account}:mfa/missing"
    return {who: app.serial for who, app in made.items()} | {"token": "GAHT12345678", "missing": missing}


def mallory(server: RunningServer, policy: str) -> Any:
    """Return a client of a user with one policy."""
    iam = client_factory(server)("iam")
    iam.put_user_policy(UserName="mallory", PolicyName="p", PolicyDocument=policy)
    for key in iam.list_access_keys(UserName="mallory")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="mallory", AccessKeyId=key["AccessKeyId"])
    return client_factory(server)("iam", iam.create_access_key(UserName="mallory")["AccessKey"])


@pytest.mark.parametrize(("action", "more"), ON_A_SERIAL, ids=[action for action, _ in ON_A_SERIAL])
def test_who_may_look_at_themselves_sees_no_other_device(
    server: RunningServer, devices: dict[str, str], action: str, more: dict[str, Any]
) -> None:
    """A serial number alone never falls back on the caller: root's, another's, nobody's and missing ones are closed."""
    call = getattr(mallory(server, SELF), action)
    codes = {who: code_of(call, SerialNumber=serial, **more) for who, serial in devices.items() if who != "mallory"}
    assert set(codes.values()) == {"AccessDenied"}
    if action == "get_mfa_device":
        assert code_of(call, SerialNumber=devices["mallory"]) == ""


@pytest.mark.parametrize("action", ["deactivate_mfa_device", "resync_mfa_device", "get_mfa_device"])
def test_a_device_of_another_is_not_the_callers(server: RunningServer, devices: dict[str, str], action: str) -> None:
    """With the caller's own name, a device that is there and one that is missing are alike."""
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"} if action.startswith("resync") else {}
    call = getattr(mallory(server, SELF), action)
    others = [serial for who, serial in devices.items() if who != "mallory"]
    assert {code_of(call, UserName="mallory", SerialNumber=serial, **codes) for serial in others} == {"NoSuchEntity"}


def test_the_arn_of_each_device_decides(server: RunningServer, devices: dict[str, str]) -> None:
    """The owner's ARN where somebody has the device, and the device's own where nobody has."""
    account = server.root.account
    resources = {
        "root": f"arn:aws:iam::{account}:root",
        "bob": f"arn:aws:iam::{account}:user/bob",
        "nobody": devices["nobody"],
        "token": f"arn:aws:iam::{account}:mfa/GAHT12345678",
    }
    for who, resource in resources.items():
        iam = mallory(server, document("iam:GetMFADevice", resource))
        seen = {each for each in resources if not code_of(iam.get_mfa_device, SerialNumber=devices[each])}
        assert seen == {who}


def test_the_tags_are_those_of_the_owner(server: RunningServer, devices: dict[str, str]) -> None:
    """A condition on tags looks at whose device it is, never at the caller."""
    for team, visible in (("b", {"bob"}), ("m", {"mallory"})):
        policy = document("iam:GetMFADevice", Condition={"StringEquals": {"iam:ResourceTag/team": team}})
        iam = mallory(server, policy)
        assert {who for who, serial in devices.items() if not code_of(iam.get_mfa_device, SerialNumber=serial)} == (
            visible
        )
