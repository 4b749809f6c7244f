"""Missing and forbidden entities look the same.

A caller learns neither what another account contains nor what others in the account have.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from tests.refusals import code_of
from tests.sts.authenticator import enrol, new_device

from daypass.authorize.named_request import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import account_graph
from daypass.bootstrap import RootKey
from daypass.directory import records
from daypass.directory.entities.mfa_entities import HARDWARE, MfaDevice
from daypass.operations.iam.table import OPERATIONS as IAM_OPERATIONS
from daypass.operations.sts.table import OPERATIONS as STS_OPERATIONS
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

# Service, action and parameters: {a} is the prefix of an account's ARNs, {n} the name of an entity that one account
# has, {key} the ID of a key and {account} the number of an account.
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
    ("iam", "detach_role_policy", {"RoleName": "eves", "PolicyArn": "{a}:policy/{n}"}),
    ("iam", "detach_group_policy", {"GroupName": "eves", "PolicyArn": "{a}:policy/{n}"}),
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
    (
        "iam",
        "untag_open_id_connect_provider",
        {"OpenIDConnectProviderArn": "{a}:oidc-provider/{n}.example.com", "TagKeys": ["k"]},
    ),
    (
        "iam",
        "resync_mfa_device",
        {
            "UserName": "eve",
            "SerialNumber": "{a}:mfa/{n}",
            "AuthenticationCode1": "123456",
            "AuthenticationCode2": "654321",
        },
    ),
    ("iam", "accept_delegation_request", {"DelegationRequestId": "{request}"}),
    ("iam", "associate_delegation_request", {"DelegationRequestId": "{request}"}),
    ("iam", "get_delegation_request", {"DelegationRequestId": "{request}"}),
    ("iam", "get_delegation_request", {"DelegationRequestId": "{request}", "DelegationPermissionCheck": True}),
    ("iam", "reject_delegation_request", {"DelegationRequestId": "{request}"}),
    ("iam", "send_delegation_token", {"DelegationRequestId": "{request}"}),
    ("iam", "update_delegation_request", {"DelegationRequestId": "{request}", "Notes": "n"}),
    ("iam", "list_delegation_requests", {"OwnerId": "{a}:root"}),
    ("iam", "get_human_readable_summary", {"EntityArn": "{a}:delegation-request/{request}"}),
    ("iam", "get_human_readable_summary", {"EntityArn": "{a}:policy/{n}"}),
    ("iam", "acquire_role", {"TemplateArn": "{a}:role-template/{n}"}),
    ("iam", "get_role_template_version", {"TemplateArn": "{a}:role-template/{n}"}),
    (
        "iam",
        "create_delegation_request",
        {
            "Description": "access",
            "Permissions": {"PolicyTemplateArn": "{a}:policy/{n}"},
            "RequestorWorkflowId": "workflow",
            "NotificationChannel": "https://hooks.example.com/",
            "SessionDuration": 3600,
        },
    ),
    (
        "iam",
        "simulate_principal_policy",
        {
            "PolicySourceArn": "{eve}",
            "ActionNames": ["sts:AssumeRole"],
            "ResourceArns": ["{a}:role/{n}"],
            "CallerArn": "{a}:user/{n}",
            "PolicyExclusionList": [{"PolicyArn": "{a}:policy/{n}"}],
        },
    ),
    ("iam", "list_policies_granting_service_access", {"Arn": "{a}:role/{n}", "ServiceNamespaces": ["iam"]}),
    ("sts", "assume_role", {"RoleArn": "{a}:role/{n}", "RoleSessionName": "probe", "SerialNumber": "{a}:mfa/{n}"}),
    (
        "sts",
        "assume_role",
        {"RoleArn": "{mine}", "RoleSessionName": "probe", "PolicyArns": [{"arn": "{a}:policy/{n}"}]},
    ),
    ("sts", "assume_role", {"RoleArn": "{mine}", "RoleSessionName": "probe", "SerialNumber": "{a}:mfa/{n}"}),
    (
        "sts",
        "assume_role",
        {"RoleArn": "{mine}", "RoleSessionName": "probe", "ProvidedContexts": [{"ProviderArn": "{a}:x/{n}"}]},
    ),
    ("sts", "get_session_token", {"SerialNumber": "{a}:mfa/{n}", "TokenCode": "123456"}),
)
# Actions that name a thing of an account and are not in the table, and why.
NOT_CALLED = {
    "GetAccessKeyInfo": "AWS tells everybody of which account a key is",
    "AssumeRoleWithSAML": "the caller has no account; docs/account-isolation.md says what it tells",
    "AssumeRoleWithWebIdentity": "the caller has no account; docs/account-isolation.md says what it tells",
    "DeleteServiceSpecificCredential": "such credentials do not exist here",
    "ResetServiceSpecificCredential": "such credentials do not exist here",
    "UpdateServiceSpecificCredential": "such credentials do not exist here",
    "GenerateOrganizationsAccessReport": "it is refused, whatever it names",
    "CreateOpenIDConnectProvider": "its only ARN is of IAM Identity Center, and is refused",
    "UpdateOpenIDConnectProvider": "it is refused, whatever it names",
    "CreateSAMLProvider": "its only ARN is of IAM Identity Center, and is refused",
    "UpdateAssumeRolePolicy": "PRINCIPALS has its rows",
}
NAMING = re.compile(
    r"arnType|accountIdType|ownerIdType|serialNumberType|accessKeyIdType|delegationRequestIdType|TargetPrincipalType"
    r"|ResourceNameType|serviceSpecificCredentialId|organizationsPolicyIdType|\w*Arn(Type)?"
)


def shapes_below(shape: Any, depth: int = 4) -> Iterator[str]:
    """Yield the names of the shapes of a call's members."""
    yield shape.name
    members = shape.members.values() if shape.type_name == "structure" else ()
    members = [shape.member] if shape.type_name == "list" else members
    for member in members if depth else ():
        yield from shapes_below(member, depth - 1)


def test_the_table_has_every_action_that_names_a_thing_of_an_account() -> None:
    """An action of a newer service model needs a row, or a reason."""
    called = {action.replace("_", "") for _, action, _ in CALLS}
    for service, operations in (("iam", IAM_OPERATIONS), ("sts", STS_OPERATIONS)):
        model = get_session().get_service_model(service)
        for action in {operation.action for operation in operations} & set(model.operation_names):
            shape = model.operation_model(action).input_shape
            if shape is not None and any(NAMING.fullmatch(name) for name in shapes_below(shape)):
                assert (action.lower() in called) != (action in NOT_CALLED), action


# What AWS itself tells anybody, and tools rely on: whether an alias is taken, and of which account a key is
# (GetAccessKeyInfo). docs/account-isolation.md says so.

# Every form in which a trust policy names a principal of an account: {sts} is how the ARNs of its sessions begin, {id}
# the unique id of a user and {role_id} of a role.
PRINCIPALS: tuple[dict[str, Any], ...] = (
    {"AWS": "{account}"},
    {"AWS": "{a}:root"},
    {"AWS": "{a}:user/{n}"},
    {"AWS": "{a}:role/{n}"},
    {"AWS": "{sts}:assumed-role/{n}/session"},
    {"AWS": "{sts}:federated-user/{n}"},
    {"AWS": ["{a}:user/{n}", "{a}:role/{n}", "{account}"]},
    {"AWS": ["{sts}:assumed-role/{n}/s", "arn:aws-cn:sts::{account}:assumed-role/{n}/s"]},
    {"AWS": "arn:aws-us-gov:iam::{account}:root"},
    {"AWS": "arn:aws-us-gov:iam::{account}:user/{n}"},
    {"AWS": "{id}"},
    {"AWS": "{role_id}"},
    {"AWS": "{role_id}:session"},
    {"Federated": "{a}:saml-provider/{n}"},
    {"Federated": "{a}:oidc-provider/{n}.example.com"},
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on which the first account is the prober's."""
    with running_server() as running:
        iam = client_factory(running)("iam")
        iam.create_user(UserName="eve")
        iam.create_group(GroupName="eves")
        iam.create_role(RoleName="eves", AssumeRolePolicyDocument=CLOSED.replace("{account}", running.root.account))
        iam.create_role(RoleName="mine", AssumeRolePolicyDocument=CLOSED.replace("{account}", running.root.account))
        yield running


@pytest.fixture(scope="module")
def victim(server: RunningServer) -> RootKey:
    """Create an account with one entity of each kind, all named `here`."""
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
    """Return the key of an administrator of the prober's account."""
    iam = client_factory(server)("iam")
    iam.put_user_policy(UserName="eve", PolicyName="all", PolicyDocument=EVERYTHING)
    return iam.create_access_key(UserName="eve")["AccessKey"]


@pytest.fixture(scope="module")
def subjects(server: RunningServer, victim: RootKey) -> list[dict[str, str]]:
    """Return names that exist, that do not, and of an account that does not."""
    iam = client_factory(server)("iam", victim)
    here, gone = (iam.create_access_key(UserName="here")["AccessKey"]["AccessKeyId"] for _ in range(2))
    iam.delete_access_key(UserName="here", AccessKeyId=gone)
    ids = (requested(iam, victim.account), "dr-" + "0" * 26, "dr-" + "0" * 26)
    own = {kind: f"arn:aws:iam::{server.root.account}:{name}" for kind, name in OWN.items()}
    cases = ((victim.account, "here", here), (victim.account, "gone", gone), (NOBODY, "here", gone))
    return [
        {"a": f"arn:aws:iam::{account}", "n": name, "key": key, "account": account, "request": request, **own}
        for (account, name, key), request in zip(cases, ids, strict=True)
    ]


OWN = {"eve": "user/eve", "mine": "role/mine"}


def requested(iam: Any, account: str) -> str:
    """Make a delegation request of an account to itself, and return its id. One without an owner is anybody's."""
    iam.create_policy(PolicyName="template", PolicyDocument=EVERYTHING)
    made = iam.create_delegation_request(
        OwnerAccountId=account,
        Description="access",
        Permissions={"PolicyTemplateArn": f"arn:aws:iam::{account}:policy/template"},
        RequestorWorkflowId="workflow",
        NotificationChannel="https://hooks.example.com/",
        SessionDuration=3600,
    )
    return str(made["DelegationRequestId"])


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return parameters with the names inserted."""
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
    """Return the response without its request ID and the caller's own names."""
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
    """The response is the same for an existing entity, a missing one, and a missing account."""
    client = client_factory(server)(service, eve)
    answers = {told(client, action, parameters, names) for names in subjects}
    assert len(answers) == 1


def test_a_delegation_request_tells_no_account_number(server: RunningServer, victim: RootKey) -> None:
    """A request to an account that does not exist looks and expires like any other."""
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


@pytest.fixture(scope="module")
def foreigners(server: RunningServer, subjects: list[dict[str, str]]) -> list[dict[str, str]]:
    """Name principals of another account that are there, that are not, and those of an account that is not."""
    root = server.new_account()
    iam = client_factory(server)("iam", root)
    iam.create_user(UserName="here")
    iam.create_role(RoleName="here", AssumeRolePolicyDocument=CLOSED.replace("{account}", root.account))
    here = {
        "id": iam.get_user(UserName="here")["User"]["UserId"],
        "role_id": iam.get_role(RoleName="here")["Role"]["RoleId"],
    }
    gone = {"id": "AIDA" + "Q" * 17, "role_id": "AROA" + "Q" * 17}
    ids = (here, gone, gone)
    names = [dict(subject, account=subject["account"]) for subject in subjects]
    for name in names[:2]:
        name |= {"account": root.account, "a": f"arn:aws:iam::{root.account}"}
    return [name | {"sts": name["a"].replace("iam", "sts")} | id_ for name, id_ in zip(names, ids, strict=True)]


def roles_of(client: Any) -> list[dict[str, Any]]:
    """Return the roles in an account's details but what differs from role to role."""
    details = client.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    return [role["AssumeRolePolicyDocument"] for role in details if role["RoleName"].startswith("probe")]


@pytest.mark.parametrize("principal", PRINCIPALS, ids=[json.dumps(each) for each in PRINCIPALS])
def test_a_trust_policy_tells_nothing_of_another_account(
    server: RunningServer, foreigners: list[dict[str, str]], eve: Any, principal: dict[str, Any]
) -> None:
    """No call shows whether the principals that it names exist: not the answer, nor what the role shows then."""
    iam = client_factory(server)("iam", eve)
    answers = set()
    for names in foreigners:
        text = filled(document("sts:AssumeRole", "", Principal=principal), names)
        named = {"RoleName": "probe"}
        made = told(iam, "create_role", named | {"AssumeRolePolicyDocument": text}, names)
        if made.startswith("400"):
            answers.add(made)
            continue
        told_of = [
            told(iam, "get_role", named, names),
            told(iam, "update_assume_role_policy", named | {"PolicyDocument": text}, names),
            told(iam, "update_role_description", named | {"Description": "d"}, names),
            told(iam, "list_roles", {}, names),
            json.dumps(roles_of(iam)),
        ]
        assert roles_of(iam) == [json.loads(text)]
        iam.delete_role(RoleName="probe")
        answers.add(without_role(" ".join([made, *told_of]), names))
    assert len(answers) == 1


def without_role(text: str, names: dict[str, str]) -> str:
    """Return answers without what every role has of its own: its id and the instant it was made."""
    text = re.sub(r"AROA[A-Z0-9]{17}", "{role}", re.sub(r'"\d{4}-\d\d-\d\d [^"]*"', '""', text))
    for name, given in sorted(names.items(), key=lambda item: -len(item[1])):
        text = text.replace(given, "{" + name + "}")
    return text


def test_a_trust_policy_does_not_tell_what_becomes_of_another_accounts_user(server: RunningServer, eve: Any) -> None:
    """A principal that is renamed, deleted or made anew is shown as it was named."""
    other = client_factory(server)("iam", server.new_account())
    arn = other.create_user(UserName="ann")["User"]["Arn"]
    iam = client_factory(server)("iam", eve)
    text = document("sts:AssumeRole", "", Principal={"AWS": arn})
    iam.create_role(RoleName="probe", AssumeRolePolicyDocument=text)
    changes: tuple[tuple[Any, dict[str, str]], ...] = (
        (other.update_user, {"UserName": "ann", "NewUserName": "bea"}),
        (other.delete_user, {"UserName": "bea"}),
        (other.create_user, {"UserName": "ann"}),
    )
    for change, parameters in changes:
        change(**parameters)
        assert iam.get_role(RoleName="probe")["Role"]["AssumeRolePolicyDocument"] == json.loads(text)
    iam.delete_role(RoleName="probe")


def test_a_missing_principal_never_matches(server: RunningServer, eve: Any) -> None:
    """Not even when the user is made later; one that was there matches, in the same policy too."""
    root = server.new_account()
    other = client_factory(server)("iam", root)
    arns = {name: f"arn:aws:iam::{root.account}:user/{name}" for name in ("early", "late")}
    iam = client_factory(server)("iam", eve)
    keys = {}
    for name in arns:
        if name == "late":
            text = document("sts:AssumeRole", "", Principal={"AWS": [*arns.values()]})
            role = iam.create_role(RoleName="probe", AssumeRolePolicyDocument=text)["Role"]["Arn"]
        other.create_user(UserName=name)
        other.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=EVERYTHING)
        keys[name] = other.create_access_key(UserName=name)["AccessKey"]
    call = {"RoleArn": role, "RoleSessionName": "late"}
    assert code_of(client_factory(server)("sts", keys["early"]).assume_role, **call) == ""
    assert code_of(client_factory(server)("sts", keys["late"]).assume_role, **call) == "AccessDenied"
    iam.update_assume_role_policy(RoleName="probe", PolicyDocument=text)
    assert code_of(client_factory(server)("sts", keys["late"]).assume_role, **call) == ""
    iam.delete_role(RoleName="probe")


def test_a_missing_account_never_matches(server: RunningServer, eve: Any) -> None:
    """Another owner who gets the number later is not trusted."""
    iam = client_factory(server)("iam", eve)
    late = "000000000077"
    principals = [late, f"arn:aws:iam::{late}:root", f"arn:aws:sts::{late}:federated-user/bob"]
    text = document("sts:AssumeRole", "", Principal={"AWS": principals})
    role = iam.create_role(RoleName="probe", AssumeRolePolicyDocument=text)["Role"]["Arn"]
    root = server.new_account(late)
    other = client_factory(server)("iam", root)
    other.create_user(UserName="bob")
    other.put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=EVERYTHING)
    bob = other.create_access_key(UserName="bob")["AccessKey"]
    call = {"RoleArn": role, "RoleSessionName": "late"}
    assert code_of(client_factory(server)("sts", bob).assume_role, **call) == "AccessDenied"
    iam.update_assume_role_policy(RoleName="probe", PolicyDocument=text)
    assert code_of(client_factory(server)("sts", bob).assume_role, **call) == ""
    iam.delete_role(RoleName="probe")


def test_a_deny_of_a_missing_principal_holds_when_it_is_made_later(server: RunningServer, eve: Any) -> None:
    """A Deny that never matched would let in whom it was written against."""
    iam = client_factory(server)("iam", eve)
    late = "000000000088"
    root = server.new_account()
    names = {
        "account": late,
        "root": f"arn:aws:iam::{late}:root",
        "user": f"arn:aws:iam::{root.account}:user/bob",
        "role": f"arn:aws:iam::{root.account}:role/bob",
        "session": f"arn:aws:sts::{root.account}:assumed-role/bob/late",
    }
    everyone = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    for name, text in {"open": late.replace("8", "9"), **names}.items():
        denied = {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"AWS": [text]}}
        policy = {"Version": "2012-10-17", "Statement": [everyone, denied]}
        iam.create_role(RoleName=f"probe-{name}", AssumeRolePolicyDocument=json.dumps(policy))
        assert iam.get_role(RoleName=f"probe-{name}")["Role"]["AssumeRolePolicyDocument"] == policy
    keys = {}
    for account in (server.new_account(late), root):
        other = client_factory(server)("iam", account)
        other.create_user(UserName="bob")
        other.put_user_policy(UserName="bob", PolicyName="all", PolicyDocument=EVERYTHING)
        trust = document("sts:AssumeRole", "", Principal={"AWS": account.account})
        other.create_role(RoleName="bob", AssumeRolePolicyDocument=trust)
        other.put_role_policy(RoleName="bob", PolicyName="all", PolicyDocument=EVERYTHING)
        keys[account.account] = other.create_access_key(UserName="bob")["AccessKey"]

    def call(sts: Any, name: str) -> str:
        arn = f"arn:aws:iam::{server.root.account}:role/probe-{name}"
        return code_of(sts.assume_role, RoleArn=arn, RoleSessionName="late")

    clients = {account: client_factory(server)("sts", key) for account, key in keys.items()}
    clients["session"] = session_of(server, clients[root.account], f"arn:aws:iam::{root.account}:role/bob")
    assert {name: call(client, "open") for name, client in clients.items()} == dict.fromkeys(clients, "")
    assert {call(clients[late], name) for name in ("account", "root")} == {"AccessDenied"}
    assert call(clients[root.account], "user") == "AccessDenied"
    assert {call(clients["session"], name) for name in ("role", "session")} == {"AccessDenied"}
    for name in ("open", *names):
        iam.delete_role(RoleName=f"probe-{name}")


def test_a_deny_of_a_user_holds_when_it_is_made_again(server: RunningServer, eve: Any) -> None:
    """The role shows the name in any case, so the Deny applies to that name, and to the user that it was saved for."""
    iam = client_factory(server)("iam", eve)
    root = server.new_account()
    other = client_factory(server)("iam", root)

    def sts_of(name: str) -> Any:
        other.create_user(UserName=name)
        other.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=EVERYTHING)
        return client_factory(server)("sts", other.create_access_key(UserName=name)["AccessKey"])

    old, free = sts_of("bob"), sts_of("free")
    everyone = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": root.account}}
    bob = f"arn:aws:iam::{root.account}:user/bob"
    denied = {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"AWS": bob}}
    policy = {"Version": "2012-10-17", "Statement": [everyone, denied]}
    role = iam.create_role(RoleName="probe", AssumeRolePolicyDocument=json.dumps(policy))["Role"]["Arn"]
    call = {"RoleArn": role, "RoleSessionName": "late"}
    other.update_user(UserName="bob", NewUserName="bea")
    new = sts_of("bob")
    assert iam.get_role(RoleName="probe")["Role"]["AssumeRolePolicyDocument"] == policy
    assert [code_of(sts.assume_role, **call) for sts in (old, new, free)] == ["AccessDenied", "AccessDenied", ""]
    iam.delete_role(RoleName="probe")


def session_of(server: RunningServer, sts: Any, role: str) -> Any:
    """Return an STS client of a session of a role."""
    got = sts.assume_role(RoleArn=role, RoleSessionName="late")["Credentials"]
    return client_factory(server)("sts", got)


def test_a_missing_user_of_the_own_account_is_refused(server: RunningServer, eve: Any) -> None:
    """AWS's sentence stays where it tells nothing of others."""
    iam = client_factory(server)("iam", eve)
    arn = f"arn:aws:iam::{server.root.account}:user/nobody"
    for name in (arn, arn.replace("user", "role"), "AIDA" + "Q" * 17):
        text = document("sts:AssumeRole", "", Principal={"AWS": name})
        with pytest.raises(ClientError, match="Invalid principal in policy"):
            iam.create_role(RoleName="probe", AssumeRolePolicyDocument=text)


@pytest.mark.parametrize("form", ["arn:aws:iam::{}:root", "{}"])
def test_an_account_sees_missing_principals_in_its_graph(
    server: RunningServer, eve: Any, victim: RootKey, form: str
) -> None:
    """The graph of who can assume what shows those that exist and those that do not alike."""
    iam = client_factory(server)("iam", eve)
    graphs = set()
    for account in (victim.account, NOBODY):
        arns = [f"arn:aws:iam::{account}:{rest}" for rest in ("user/here", "role/here")]
        denied = f"arn:aws:sts::{account}:assumed-role/here/denied"
        allow, deny = (
            json.loads(document("sts:AssumeRole", "", Principal={"AWS": names}, Effect=effect))["Statement"][0]
            for names, effect in (([*arns, form.format(account), denied], "Allow"), ([denied], "Deny"))
        )
        text = json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]})
        iam.create_role(RoleName="probe", AssumeRolePolicyDocument=text)
        with server.there.store.read() as reader:
            graph = account_graph(SnapshotViews(reader), Assumed(server.clock.now()), server.root.account)
        ways = [edge.way for edge in graph.edges if edge.target.endswith("role/probe")]
        shown = {way.principal for way in ways if way.account == account}
        assert shown == {*arns, f"arn:aws:iam::{account}:root"}
        graphs.add(repr([(way.principal, way.kind, way.texts, way.conditions) for way in ways]).replace(account, ""))
        iam.delete_role(RoleName="probe")
    assert len(graphs) == 1


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
    """Create devices of root, of another user and without owner.

    There are virtual devices and a token; one name does not exist.
    """
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
    """A serial number alone never means the caller.

    Devices of root, of others, without owner and missing ones are refused.
    """
    call = getattr(mallory(server, SELF), action)
    codes = {who: code_of(call, SerialNumber=serial, **more) for who, serial in devices.items() if who != "mallory"}
    assert set(codes.values()) == {"AccessDenied"}
    if action == "get_mfa_device":
        assert code_of(call, SerialNumber=devices["mallory"]) == ""


@pytest.mark.parametrize("action", ["deactivate_mfa_device", "resync_mfa_device", "get_mfa_device"])
def test_a_device_of_another_is_not_the_callers(server: RunningServer, devices: dict[str, str], action: str) -> None:
    """With the caller's own name, another's device looks missing."""
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"} if action.startswith("resync") else {}
    call = getattr(mallory(server, SELF), action)
    others = [serial for who, serial in devices.items() if who != "mallory"]
    assert {code_of(call, UserName="mallory", SerialNumber=serial, **codes) for serial in others} == {"NoSuchEntity"}


def test_the_arn_of_each_device_decides(server: RunningServer, devices: dict[str, str]) -> None:
    """The owner's ARN counts, or the device's own without an owner."""
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
    """A condition on tags tests the device's owner, never the caller."""
    for team, visible in (("b", {"bob"}), ("m", {"mallory"})):
        policy = document("iam:GetMFADevice", Condition={"StringEquals": {"iam:ResourceTag/team": team}})
        iam = mallory(server, policy)
        assert {who for who, serial in devices.items() if not code_of(iam.get_mfa_device, SerialNumber=serial)} == (
            visible
        )
