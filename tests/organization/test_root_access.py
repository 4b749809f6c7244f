"""sts:AssumeRoot, and the required features of centralized root access."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.documents import allow, deny, document, trusting
from tests.organization.conftest import Tree
from tests.refusals import code_of, refused

from daypass.directory.organization import organization_changes as changes
from daypass.testing.plugin import ClientFactory
from daypass.testing.saml import Assertion, SamlIdentityProvider

_TASKS = "arn:aws:iam::aws:policy/root-task/"
_AUDIT = _TASKS + "IAMAuditRootUserCredentials"
_DELETE = _TASKS + "IAMDeleteRootUserCredentials"
_UNLOCK = _TASKS + "S3UnlockBucketPolicy"
_MAY = document(allow("sts:AssumeRoot", "arn:aws:iam::*:root"))
_BOTH = {"RootCredentialsManagement", "RootSessions"}

Assume = Callable[..., Any]


@pytest.fixture
def enabled(tree: Tree) -> Tree:
    """Enable both features."""
    tree.change(changes.set_features, _BOTH)
    return tree


@pytest.fixture
def admin(enabled: Tree, as_caller: ClientFactory, user_of: Callable[..., Any]) -> Any:
    """Return an STS client of a user in the management account who may assume members' root users."""
    return as_caller("sts", user_of(enabled.manager, "admin", _MAY))


def _assume(sts: Any, target: str, task: str = _AUDIT, **more: Any) -> Any:
    return sts.assume_root(TargetPrincipal=target, TaskPolicyArn={"arn": task}, **more)


def _denial(sts: Any, target: str, task: str = _AUDIT) -> tuple[str, int, str]:
    return refused(sts.assume_root, TargetPrincipal=target, TaskPolicyArn={"arn": task})


def test_a_session_of_the_members_root_user_is_made(admin: Any, enabled: Tree, as_caller: ClientFactory) -> None:
    """Its caller identity is the member's root user; it lasts fifteen minutes."""
    answer = _assume(admin, enabled.member.account)
    left = answer["Credentials"]["Expiration"] - enabled.server.clock.now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    assert "SourceIdentity" not in answer
    who = as_caller("sts", answer["Credentials"]).get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{enabled.member.account}:root"
    assert who["UserId"] == who["Account"] == enabled.member.account


def test_the_target_may_be_an_arn(admin: Any, enabled: Tree) -> None:
    """An account id and its root ARN are equivalent."""
    assert _assume(admin, f"arn:aws:iam::{enabled.other.account}:root")["Credentials"]


def test_the_task_policy_limits_the_session(admin: Any, enabled: Tree, as_caller: ClientFactory) -> None:
    """The session may do everything that the task policy does not deny."""
    session = as_caller("iam", _assume(admin, enabled.member.account)["Credentials"])
    [key] = session.list_access_keys()["AccessKeyMetadata"]
    assert key["AccessKeyId"] == enabled.member.access_key_id
    code, status, words = refused(session.delete_access_key, AccessKeyId=key["AccessKeyId"])
    assert (code, status) == ("AccessDenied", 403)
    assert words.endswith("with an explicit deny in a session policy")
    assert refused(session.list_users)[0] == "AccessDenied"
    assert refused(session.create_user, UserName="eve")[0] == "AccessDenied"


def test_the_audit_is_about_the_root_user_alone(
    admin: Any, enabled: Tree, as_caller: ClientFactory, user_of: Callable[..., Any]
) -> None:
    """A user's keys are out of scope in such a session."""
    user_of(enabled.member, "alice")
    session = as_caller("iam", _assume(admin, enabled.member.account)["Credentials"])
    assert refused(session.list_access_keys, UserName="alice")[0] == "AccessDenied"


def test_root_credentials_can_be_deleted(admin: Any, enabled: Tree, as_caller: ClientFactory) -> None:
    """This is the purpose of centralized root access: the member's root key is deleted."""
    session = as_caller("iam", _assume(admin, enabled.member.account, _DELETE)["Credentials"])
    session.delete_access_key(AccessKeyId=enabled.member.access_key_id)
    code, _, _ = refused(as_caller("sts", enabled.member).get_caller_identity)
    assert code == "InvalidClientTokenId"


def test_a_session_of_root_goes_no_further(admin: Any, enabled: Tree, as_caller: ClientFactory) -> None:
    """It may read its own identity, but cannot create another session."""
    sts = as_caller("sts", _assume(admin, enabled.member.account, _UNLOCK)["Credentials"])
    assert sts.get_caller_identity()["Account"] == enabled.member.account
    assert refused(sts.get_session_token)[0] == "AccessDenied"
    assert refused(sts.get_federation_token, Name="visitor")[0] == "AccessDenied"
    assert _denial(sts, enabled.other.account)[0] == "AccessDenied"


def test_a_members_control_policies_bind_the_session(admin: Any, enabled: Tree, as_caller: ClientFactory) -> None:
    """Service control policies of the member's levels count, and see aws:AssumedRoot."""
    session = as_caller("iam", _assume(admin, enabled.member.account)["Credentials"])
    enabled.guard("/prod", deny("iam:ListAccessKeys", Condition={"Bool": {"aws:AssumedRoot": "true"}}))
    assert refused(session.list_access_keys)[0] == "AccessDenied"
    assert as_caller("iam", enabled.member).list_access_keys()["AccessKeyMetadata"]


def test_a_resource_control_policy_of_the_member_counts(admin: Any, enabled: Tree) -> None:
    """The member's root user is a resource of the member."""
    enabled.guard(enabled.member.account, {**deny("sts:AssumeRoot"), "Principal": "*"}, kind="resource")
    assert _denial(admin, enabled.member.account)[0] == "AccessDenied"
    assert _assume(admin, enabled.other.account)


def test_a_zero_is_a_session_that_is_over_at_once(admin: Any, enabled: Tree, as_caller: ClientFactory) -> None:
    """AWS accepts 0 and refuses 901."""
    credentials = _assume(admin, enabled.member.account, DurationSeconds=0)["Credentials"]
    assert credentials["Expiration"] <= datetime.now(UTC)
    assert refused(as_caller("sts", credentials).get_caller_identity)[0] == "ExpiredToken"
    code, status, words = refused(
        admin.assume_root,
        TargetPrincipal=enabled.member.account,
        TaskPolicyArn={"arn": _AUDIT},
        DurationSeconds=901,
    )
    assert (code, status) == ("ValidationError", 400)
    assert words == (
        "1 validation error detected: Value '901' at 'durationSeconds' failed to satisfy constraint: "
        "Member must have value less than or equal to 900"
    )


def test_the_session_ends_when_its_time_is_over(admin: Any, enabled: Tree, as_caller: ClientFactory) -> None:
    """The end is exclusive."""
    enabled.server.clock.freeze(datetime.now(UTC).replace(microsecond=0))
    credentials = _assume(admin, enabled.member.account, DurationSeconds=60)["Credentials"]
    assert credentials["Expiration"] == enabled.server.clock.now() + timedelta(seconds=60)
    sts = as_caller("sts", credentials)
    enabled.server.clock.move(timedelta(seconds=59))
    sts.get_caller_identity()
    enabled.server.clock.move(timedelta(seconds=1))
    assert refused(sts.get_caller_identity)[:2] == ("ExpiredToken", 403)


@pytest.mark.parametrize(("asked", "seconds"), [(None, 900), (1, 1), (899, 899), (900, 900)])
def test_a_session_of_a_root_user_is_valid_as_long_as_requested(
    admin: Any, enabled: Tree, asked: int | None, seconds: int
) -> None:
    """The default and the maximum are fifteen minutes, to the second."""
    enabled.server.clock.freeze(datetime.now(UTC).replace(microsecond=0))
    more: dict[str, Any] = {} if asked is None else {"DurationSeconds": asked}
    credentials = _assume(admin, enabled.member.account, **more)["Credentials"]
    assert credentials["Expiration"] == enabled.server.clock.now() + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "target",
    [
        "000000000000x",
        "arn:aws:iam::111111111111:user/alice",
        "arn:aws:iam::11111111111:root",
        "arn:aws-cn:iam::111111111111:root",
        "arn:aws:iam:us-east-1:111111111111:root",
        "arn:aws:iam::111111111111:root/",
        "\uff11" * 12,
        "not an account",
    ],
)
def test_what_is_no_target_is_refused(admin: Any, target: str) -> None:
    """The message is the one recorded from AWS."""
    words = ("ValidationError", 400, "Request must contain a valid target principal")
    assert _denial(admin, target) == words


@pytest.mark.parametrize(
    "task",
    [
        "arn:aws:iam::aws:policy/AdministratorAccess",
        "arn:aws:iam::aws:policy/IAMAuditRootUserCredentials",
        _AUDIT.lower(),
        _AUDIT + "x",
        "arn:aws:iam::111111111111:policy/root-task/IAMAuditRootUserCredentials",
    ],
)
def test_what_is_no_task_is_refused(admin: Any, enabled: Tree, task: str) -> None:
    """Exactly five policies are accepted."""
    words = ("ValidationError", 400, "Request must contain valid AWS managed task policy ARN")
    assert _denial(admin, enabled.member.account, task) == words


def test_whoever_may_not_is_told_the_same(tree: Tree, as_caller: ClientFactory, user_of: Callable[..., Any]) -> None:
    """A missing permission, feature, member or organization gives the same message, without a reason."""
    arn = f"arn:aws:iam::{tree.manager.account}:user/admin"
    sts = as_caller("sts", user_of(tree.manager, "admin", _MAY))
    alone = tree.server.new_account(standing="standalone")

    def sentence(target: str, caller: str = arn) -> tuple[str, int, str]:
        words = f"User: {caller} is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::{target}:root"
        return "AccessDenied", 403, words

    assert _denial(sts, tree.member.account) == sentence(tree.member.account)
    tree.change(changes.set_features, {"RootCredentialsManagement"})
    assert _denial(sts, tree.member.account, _UNLOCK) == sentence(tree.member.account)
    tree.change(changes.set_features, {"RootSessions"})
    assert _denial(sts, tree.member.account) == sentence(tree.member.account)
    tree.change(changes.set_features, _BOTH)
    for target in (tree.manager.account, alone.account, "000000000000"):
        assert _denial(sts, target) == sentence(target)
    weak = as_caller("sts", user_of(tree.manager, "weak"))
    named = f"arn:aws:iam::{tree.manager.account}:user/weak"
    assert _denial(weak, tree.member.account) == sentence(tree.member.account, named)
    root = f"arn:aws:iam::{tree.manager.account}:root"
    assert _denial(as_caller("sts", tree.manager), tree.member.account) == sentence(tree.member.account, root)
    member = as_caller("sts", user_of(tree.member, "admin", _MAY))
    named = f"arn:aws:iam::{tree.member.account}:user/admin"
    assert _denial(member, tree.other.account) == sentence(tree.other.account, named)


def test_conditions_see_the_task(enabled: Tree, as_caller: ClientFactory, user_of: Callable[..., Any]) -> None:
    """sts:TaskPolicyArn contains the requested policy."""
    condition = {"StringEquals": {"sts:TaskPolicyArn": _AUDIT}}
    only_audit = document(allow("sts:AssumeRoot", Condition=condition))
    sts = as_caller("sts", user_of(enabled.manager, "auditor", only_audit))
    assert _assume(sts, enabled.member.account)
    assert _denial(sts, enabled.member.account, _DELETE)[0] == "AccessDenied"


def test_the_delegate_may_act_for_the_organization(
    enabled: Tree, as_caller: ClientFactory, user_of: Callable[..., Any]
) -> None:
    """A member that administers IAM assumes other members' root users, lists and disables, but cannot enable."""
    key = user_of(enabled.other, "delegate", document(allow(["sts:AssumeRoot", "iam:*"])))
    assert _denial(as_caller("sts", key), enabled.member.account)[0] == "AccessDenied"
    enabled.change(changes.set_delegate, enabled.other.account)
    assert _assume(as_caller("sts", key), enabled.member.account)
    iam = as_caller("iam", key)
    assert iam.list_organizations_features()["EnabledFeatures"] == ["RootCredentialsManagement", "RootSessions"]
    assert refused(iam.enable_organizations_root_sessions)[0] == "CallerIsNotManagementAccountException"
    assert iam.disable_organizations_root_sessions()["EnabledFeatures"] == ["RootCredentialsManagement"]


def test_features_are_enabled_by_the_manager(tree: Tree, as_caller: ClientFactory) -> None:
    """Each switch returns the enabled features and is idempotent."""
    iam = as_caller("iam", tree.manager)
    assert iam.list_organizations_features()["EnabledFeatures"] == []
    assert iam.enable_organizations_root_sessions()["EnabledFeatures"] == ["RootSessions"]
    assert iam.enable_organizations_root_sessions()["EnabledFeatures"] == ["RootSessions"]
    both = iam.enable_organizations_root_credentials_management()
    assert set(both["EnabledFeatures"]) == _BOTH
    assert both["OrganizationId"] == tree.change(changes.get_organization).id
    assert iam.disable_organizations_root_credentials_management()["EnabledFeatures"] == ["RootSessions"]
    assert iam.disable_organizations_root_sessions()["EnabledFeatures"] == []


def test_others_may_not_even_list(tree: Tree, as_caller: ClientFactory) -> None:
    """A member is not an administrator, and a standalone account has no organization."""
    member, alone = as_caller("iam", tree.member), as_caller("iam", tree.server.new_account(standing="standalone"))
    code = "AccountNotManagementOrDelegatedAdministratorException"
    assert refused(member.list_organizations_features)[0] == code
    assert refused(member.enable_organizations_root_sessions)[0] == code
    assert refused(alone.list_organizations_features)[0] == "OrganizationNotFoundException"


def test_the_source_identity_goes_on(enabled: Tree, as_caller: ClientFactory, user_of: Callable[..., Any]) -> None:
    """The source identity of the calling session also applies to the root session."""
    iam = as_caller("iam", enabled.manager)
    trust = document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": enabled.manager.account},
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
        }
    )
    role = iam.create_role(RoleName="admins", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="admins", PolicyName="p", PolicyDocument=_MAY)
    user = as_caller("sts", user_of(enabled.manager, "alice", document(allow("sts:*"))))
    session = user.assume_role(RoleArn=role, RoleSessionName="session", SourceIdentity="alice")["Credentials"]
    assert _assume(as_caller("sts", session), enabled.member.account)["SourceIdentity"] == "alice"


def test_task_policies_can_be_read_and_never_attached(tree: Tree, as_caller: ClientFactory) -> None:
    """They are AWS managed policies that contain only denials."""
    iam = as_caller("iam", tree.manager)
    for name in (
        "IAMAuditRootUserCredentials",
        "IAMCreateRootUserPassword",
        "IAMDeleteRootUserCredentials",
        "S3UnlockBucketPolicy",
        "SQSUnlockQueuePolicy",
    ):
        policy = iam.get_policy(PolicyArn=_TASKS + name)["Policy"]
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        statements = version["PolicyVersion"]["Document"]["Statement"]
        assert {statement["Effect"] for statement in statements} == {"Deny"}, json.dumps(statements)
    iam.create_user(UserName="alice")
    assert refused(iam.attach_user_policy, UserName="alice", PolicyArn=_AUDIT)[0] == "PolicyNotAttachable"


def test_a_root_session_carries_the_propagated_identity(enabled: Tree, as_caller: ClientFactory) -> None:
    """A service control policy about a person also holds where the person acts as a member's root user."""
    iam = as_caller("iam", enabled.manager)
    idp = SamlIdentityProvider()
    context = {"SubjectSourceKey": "Subject/NameID"}
    made = iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata_xml(), ContextProvider=context)
    provider = made["SAMLProviderArn"]
    trust = document(trusting({"Federated": provider}, "sts:AssumeRoleWithSAML"))
    role = iam.create_role(RoleName="auditor", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="auditor", PolicyName="p", PolicyDocument=_MAY)
    subjects = {"StringEquals": {"aws:OriginIdentity/Subject": "mallory"}}
    enabled.guard("/", allow("*"), deny("iam:ListAccessKeys", Condition=subjects))
    for name, code in (("mallory", "AccessDenied"), ("alice", "")):
        assertion = Assertion(roles=(f"{role},{provider}",), name_id=name)
        session = as_caller("sts").assume_role_with_saml(
            RoleArn=role, PrincipalArn=provider, SAMLAssertion=idp.response(assertion, now=enabled.server.clock.now())
        )
        root = _assume(as_caller("sts", session["Credentials"]), enabled.member.account)
        assert code_of(as_caller("iam", root["Credentials"]).list_access_keys) == code, name
