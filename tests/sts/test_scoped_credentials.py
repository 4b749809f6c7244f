"""sts:GetScopedCredentials: the parameters, the answer, and the permissions of the new session."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.documents import allow, deny, document, new_key, trust
from tests.refusals import code_of, refused
from tests.sts.authenticator import loose_client

from daypass.bootstrap import RootKey
from daypass.directory.organization import organization_changes as changes
from daypass.directory.revocations import revoke_for_good
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

USERS = document(allow(["iam:ListUsers", "sts:*"]))
ROLES = document(allow(["iam:ListRoles", "sts:*"]))
EVERYTHING = document(allow("*"))


@pytest.fixture
def now(server: RunningServer) -> Iterator[datetime]:
    """Return the time of the server's clock, which stands at a whole second."""
    server.clock.freeze(datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1))
    yield server.clock.now()
    server.clock.reset()


@pytest.fixture
def alice(iam: Any) -> Any:
    """Return the key of a user who may do everything."""
    return new_key(iam, "alice", allow("*"))


def new_role(iam: Any, name: str, account: str, *statements: Any, **more: Any) -> str:
    """Create a role that trusts its account, and return its ARN."""
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS=account), **more)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
    return arn


@pytest.fixture
def session(iam: Any, account: str, alice: Any, as_caller: ClientFactory) -> Any:
    """Return the credentials of a role session that may list users and roles, and call STS."""
    role = new_role(iam, "job", account, allow(["iam:ListUsers", "iam:ListRoles", "sts:*"]))
    sts = as_caller("sts", alice)
    return sts.assume_role(RoleArn=role, RoleSessionName="nightly")["Credentials"]


@pytest.fixture
def scope(as_caller: ClientFactory) -> Any:
    """Return a function that scopes credentials down and returns the new ones."""

    def get(credentials: Any, policy: str = "", **more: Any) -> Any:
        given = {"Policy": policy, **more} if policy else more
        return as_caller("sts", credentials).get_scoped_credentials(**given)["Credentials"]

    return get


def test_a_policy_narrows_the_session(session: Any, scope: Any, as_caller: ClientFactory) -> None:
    """The new credentials may do what both the session and the policy allow."""
    scoped = as_caller("iam", scope(session, document(allow(["iam:ListUsers", "iam:ListGroups"]))))
    scoped.list_users()
    refusal = refused(scoped.list_roles)
    assert refusal.code == "AccessDenied"
    assert "because no session policy allows the iam:ListRoles action" in refusal.words
    assert "because no identity-based policy allows" in refused(scoped.list_groups).words


def test_a_deny_of_any_layer_wins(session: Any, scope: Any, as_caller: ClientFactory) -> None:
    """An Allow of a later layer, or of the role, does not override it."""
    layered = scope(session, document(allow("*"), deny("iam:ListUsers")))
    layered = as_caller("iam", scope(layered, EVERYTHING))
    assert "with an explicit deny in a session policy" in refused(layered.list_users).words
    layered.list_roles()


def test_the_message_of_a_denial_names_the_layer(session: Any, scope: Any, iam: Any, as_caller: ClientFactory) -> None:
    """Each layer has its own result, and the closest statement says which layer does not allow the request."""
    some = document(allow("iam:ListUsers", "arn:aws:iam::*:user/team/*"))
    scoped = as_caller("iam", scope(scope(session, EVERYTHING), some))
    encoded = refused(scoped.list_users).encoded
    sts = as_caller("sts", new_key(iam, "reader", allow("sts:DecodeAuthorizationMessage")))
    message = json.loads(sts.decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
    layers = [one["decision"] for one in message["policyTypes"] if one["type"] == "session policy"]
    assert layers == ["allowed", "implicitDeny"]
    assert "scope-down-policy-2" in json.dumps(message["closestStatements"])


def test_the_answer(session: Any, as_caller: ClientFactory, now: datetime) -> None:
    """The identity is the caller's own; the answer has the count of layers and the token's size."""
    sts = as_caller("sts", session)
    identity = sts.get_caller_identity()
    answer = sts.get_scoped_credentials(Policy=USERS, DurationSeconds=90, ScopedSessionDescription="nightly report")
    answer.pop("ResponseMetadata")
    credentials = answer.pop("Credentials")
    token = credentials["SessionToken"]
    assert answer == {
        "SessionInfo": {"ScopedSessionId": identity["UserId"], "Arn": identity["Arn"]},
        "ScopedPoliciesCount": 1,
        "SessionTokenSize": len(token),
        "SessionTokenUtilization": -(-len(token) * 100 // 8000),
    }
    assert credentials["Expiration"] == now + timedelta(seconds=90)
    assert credentials["AccessKeyId"].startswith("ASIA")
    assert credentials["AccessKeyId"] != session["AccessKeyId"]
    after = as_caller("sts", credentials).get_caller_identity()
    assert (after["Arn"], after["UserId"]) == (identity["Arn"], identity["UserId"])


def test_a_duration_alone_adds_no_layer(session: Any, scope: Any, as_caller: ClientFactory, now: datetime) -> None:
    """The count stays, and without a duration the end of the calling session stays."""
    first = scope(session, USERS, DurationSeconds=600)
    answer = as_caller("sts", first).get_scoped_credentials(DurationSeconds=60)
    assert answer["ScopedPoliciesCount"] == 1
    assert answer["Credentials"]["Expiration"] == now + timedelta(seconds=60)
    again = as_caller("sts", first).get_scoped_credentials(Policy=USERS)
    assert again["ScopedPoliciesCount"] == 2
    assert again["Credentials"]["Expiration"] == now + timedelta(seconds=600)


def test_at_most_three_layers_along_the_whole_growth(
    session: Any, scope: Any, iam: Any, account: str, as_caller: ClientFactory
) -> None:
    """A fourth Policy is denied, also after another role was assumed. A duration is not a layer."""
    role = new_role(iam, "next", account, allow("*"))
    twice = scope(scope(session, EVERYTHING), EVERYTHING)
    next_session = as_caller("sts", twice).assume_role(RoleArn=role, RoleSessionName="next")["Credentials"]
    sts = as_caller("sts", next_session)
    answer = sts.get_scoped_credentials(Policy=EVERYTHING)
    assert answer["ScopedPoliciesCount"] == 3
    third = as_caller("sts", answer["Credentials"])
    refusal = refused(third.get_scoped_credentials, Policy=EVERYTHING)
    assert refusal[:2] == ("AccessDenied", 403)
    assert "3 scope-down policies, which is the maximum" in refusal.words
    assert third.get_scoped_credentials(DurationSeconds=60)["ScopedPoliciesCount"] == 3


def test_the_permission_is_needed_at_each_call(iam: Any, account: str, alice: Any, as_caller: ClientFactory) -> None:
    """The session and each earlier layer must allow sts:GetScopedCredentials."""
    role = new_role(iam, "weak", account, allow("iam:*"))
    weak = as_caller("sts", as_caller("sts", alice).assume_role(RoleArn=role, RoleSessionName="weak")["Credentials"])
    refusal = refused(weak.get_scoped_credentials, Policy=EVERYTHING)
    assert refusal.code == "AccessDenied"
    assert f"sts:GetScopedCredentials on resource: arn:aws:sts::{account}:self" in refusal.words
    session = as_caller("sts", alice).get_session_token()["Credentials"]
    scoped = as_caller("sts", session).get_scoped_credentials(Policy=document(allow("iam:*")))["Credentials"]
    assert refused(as_caller("sts", scoped).get_scoped_credentials, DurationSeconds=60).code == "AccessDenied"


def test_only_temporary_credentials_are_scoped_down(root: RootKey, alice: Any, as_caller: ClientFactory) -> None:
    """Users' and root users' keys are refused, and so are sessions of root users."""
    root_session = as_caller("sts", root).get_session_token()["Credentials"]
    for caller in (alice, root, root_session):
        refusal = refused(as_caller("sts", caller).get_scoped_credentials, Policy=EVERYTHING)
        assert refusal[:2] == ("InvalidSubjectCredentials", 400)
        assert "temporary credentials" in refusal.words


def test_sessions_of_users_and_federated_users_are_scoped_down(alice: Any, as_caller: ClientFactory) -> None:
    """They keep their ARN and the limits of their kind."""
    sts = as_caller("sts", alice)
    user = sts.get_session_token()["Credentials"]
    federated = sts.get_federation_token(Name="bob", Policy=EVERYTHING)["Credentials"]
    for credentials in (user, federated):
        caller = as_caller("sts", credentials)
        answer = caller.get_scoped_credentials(Policy=USERS)
        assert answer["SessionInfo"]["Arn"] == caller.get_caller_identity()["Arn"]
        scoped = answer["Credentials"]
        assert as_caller("sts", scoped).get_caller_identity()["Arn"] == answer["SessionInfo"]["Arn"]
        assert refused(as_caller("iam", scoped).list_users).code == "InvalidClientTokenId"
        assert refused(as_caller("sts", scoped).get_session_token).code == "AccessDenied"


@pytest.mark.parametrize(
    ("parameters", "code", "words"),
    [
        ({}, "ValidationError", "at least one of Policy and DurationSeconds"),
        ({"ScopedSessionDescription": "no limit"}, "ValidationError", "at least one of Policy and DurationSeconds"),
        ({"Policy": ""}, "ValidationError", "'policy' failed to satisfy constraint"),
        ({"Policy": EVERYTHING + " " * 2048}, "ValidationError", "length less than or equal to 2048"),
        ({"Policy": EVERYTHING.replace("*", "\u0100", 1)}, "ValidationError", "satisfy regular expression pattern"),
        ({"Policy": "no policy"}, "MalformedPolicyDocument", "invalid"),
        ({"Policy": document({**allow("*"), "Principal": "*"})}, "MalformedPolicyDocument", "rincipal"),
        ({"DurationSeconds": 0}, "ValidationError", "value greater than or equal to 1"),
        ({"DurationSeconds": 129601}, "ValidationError", "value less than or equal to 129600"),
        ({"DurationSeconds": 3601}, "InsufficientSessionLifetime", "remaining lifetime of the calling session"),
        ({"DurationSeconds": 60, "MinimumSessionTokenSize": 4097}, "ValidationError", "less than or equal to 4096"),
        ({"DurationSeconds": 60, "ScopedSessionDescription": "x"}, "ValidationError", "greater than or equal to 2"),
        ({"DurationSeconds": 60, "ScopedSessionDescription": "x" * 257}, "ValidationError", "equal to 256"),
    ],
)
def test_refused_parameters(session: Any, server: RunningServer, parameters: Any, code: str, words: str) -> None:
    """Each is a 400 in AWS's form."""
    refusal = refused(loose_client(server, session).get_scoped_credentials, **parameters)
    assert refusal[:2] == (code, 400)
    assert words in refusal.words


def test_a_whole_life_may_be_asked_for(session: Any, as_caller: ClientFactory, now: datetime) -> None:
    """Exactly the rest of the calling session is granted, a second more is not."""
    sts = as_caller("sts", session)
    rest = int((session["Expiration"] - now).total_seconds())
    got = sts.get_scoped_credentials(DurationSeconds=rest)["Credentials"]
    assert got["Expiration"] == session["Expiration"]
    assert refused(sts.get_scoped_credentials, DurationSeconds=rest + 1).code == "InsufficientSessionLifetime"


def test_the_minimum_size_of_the_token(session: Any, as_caller: ClientFactory) -> None:
    """A longer token has the same effect."""
    answer = as_caller("sts", session).get_scoped_credentials(Policy=USERS, MinimumSessionTokenSize=4096)
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"]) >= 4096
    scoped = as_caller("iam", answer["Credentials"])
    scoped.list_users()
    assert refused(scoped.list_roles).code == "AccessDenied"


def test_everything_else_of_the_session_stays(
    iam: Any, account: str, alice: Any, scope: Any, as_caller: ClientFactory
) -> None:
    """Tags, transitive tags, source identity, and the session policy of AssumeRole stay."""
    role = iam.create_role(
        RoleName="tagged",
        AssumeRolePolicyDocument=document(
            {
                "Effect": "Allow",
                "Principal": {"AWS": account},
                "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            }
        ),
    )["Role"]["Arn"]
    team = {"StringEquals": {"aws:PrincipalTag/team": "red", "aws:SourceIdentity": "ada"}}
    iam.put_role_policy(RoleName="tagged", PolicyName="own", PolicyDocument=document(allow("*", Condition=team)))
    session = as_caller("sts", alice).assume_role(
        RoleArn=role,
        RoleSessionName="tagged",
        Policy=USERS,
        Tags=[{"Key": "team", "Value": "red"}],
        TransitiveTagKeys=["team"],
        SourceIdentity="ada",
    )["Credentials"]
    answer = as_caller("sts", session).get_scoped_credentials(Policy=EVERYTHING)
    assert answer["SourceIdentity"] == "ada"
    scoped = as_caller("iam", answer["Credentials"])
    scoped.list_users()
    assert refused(scoped.list_roles).code == "AccessDenied"


def test_the_description_is_in_the_audit_event(session: Any, server: RunningServer, as_caller: ClientFactory) -> None:
    """The policy is hidden, as everywhere."""
    as_caller("sts", session).get_scoped_credentials(Policy=USERS, ScopedSessionDescription="weekly \u00e9t\u00e9")
    event = [one for one in server.audit.audit_records if one.action == "GetScopedCredentials"][-1]
    assert event.parameters is not None
    assert event.parameters["ScopedSessionDescription"] == "weekly \u00e9t\u00e9"


def test_a_resource_policy_does_not_bypass_a_layer(
    iam: Any, account: str, session: Any, scope: Any, as_caller: ClientFactory
) -> None:
    """A trust policy that names the session itself makes session policies unnecessary, but not layers."""
    arn = f"arn:aws:sts::{account}:assumed-role/job/nightly"
    target = iam.create_role(RoleName="target", AssumeRolePolicyDocument=trust(AWS=arn))["Role"]["Arn"]
    as_caller("sts", session).assume_role(RoleArn=target, RoleSessionName="target")
    scoped = as_caller("sts", scope(session, document(allow("iam:ListUsers"))))
    assert refused(scoped.assume_role, RoleArn=target, RoleSessionName="target").code == "AccessDenied"


def test_roles_assumed_with_it_keep_the_layers_and_the_end(
    iam: Any, account: str, session: Any, scope: Any, as_caller: ClientFactory, now: datetime
) -> None:
    """The next role may do everything, but its session only what the layers allow, and no longer."""
    role = new_role(iam, "admin", account, allow("*"))
    scoped = scope(session, USERS, DurationSeconds=300)
    for _ in range(2):
        scoped = as_caller("sts", scoped).assume_role(RoleArn=role, RoleSessionName="admin")["Credentials"]
        assert scoped["Expiration"] == now + timedelta(seconds=300)
        narrowed = as_caller("iam", scoped)
        narrowed.list_users()
        assert refused(narrowed.list_roles).code == "AccessDenied"
        assert refused(narrowed.create_access_key, UserName="alice").code == "AccessDenied"


def test_a_web_identity_token_would_shed_the_layers(
    iam: Any, account: str, alice: Any, scope: Any, as_caller: ClientFactory
) -> None:
    """It is refused to a session with layers, and not to one with a shorter life alone."""
    iam.enable_outbound_web_identity_federation()
    role = new_role(iam, "issuer", account, allow("*"))
    session = as_caller("sts", alice).assume_role(RoleArn=role, RoleSessionName="issuer")["Credentials"]
    wanted: Any = {"Audience": ["a"], "SigningAlgorithm": "ES384", "DurationSeconds": 60}
    as_caller("sts", scope(session, DurationSeconds=300)).get_web_identity_token(**wanted)
    refusal = refused(as_caller("sts", scope(session, EVERYTHING)).get_web_identity_token, **wanted)
    assert refusal.code == "AccessDenied"
    assert "scope-down policies" in refusal.words


def test_a_root_task_keeps_the_layers(
    server: RunningServer, session: Any, scope: Any, as_caller: ClientFactory
) -> None:
    """AssumeRoot with scoped credentials gives a session that the task and the layers limit."""
    manager, member = server.new_account(standing="management"), server.new_account()
    with server.there.store.write() as writer:
        changes.set_features(writer, {"RootCredentialsManagement", "RootSessions"})
    key = new_key(as_caller("iam", manager), "admin", allow("sts:*"))
    role = new_role(as_caller("iam", manager), "root-tasks", manager.account, allow("sts:*"))
    session = as_caller("sts", key).assume_role(RoleArn=role, RoleSessionName="admin")["Credentials"]
    task = {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
    for policy, allowed in ((EVERYTHING, True), (document(allow("sts:*")), False)):
        sts = as_caller("sts", scope(session, policy))
        made = sts.assume_root(TargetPrincipal=member.account, TaskPolicyArn=task)["Credentials"]
        assert code_of(as_caller("iam", made).list_access_keys) == ("" if allowed else "AccessDenied")
        assert code_of(as_caller("iam", made).delete_access_key, AccessKeyId=member.access_key_id) == "AccessDenied"


@pytest.mark.parametrize("revoke", ["parent", "itself", "user"])
def test_a_revocation_ends_it(
    server: RunningServer, session: Any, alice: Any, scope: Any, as_caller: ClientFactory, revoke: str
) -> None:
    """The key of the calling session, its own, and the long-term key behind both."""
    scoped = scope(scope(session, USERS), DurationSeconds=60)
    key = {"parent": session, "itself": scoped, "user": alice}[revoke]["AccessKeyId"]
    with server.there.store.write() as writer:
        revoke_for_good(writer, key, now=int(server.clock.now().timestamp()))
    assert code_of(as_caller("sts", scoped).get_caller_identity) == "InvalidClientTokenId"


def test_revoked_older_sessions_include_it(iam: Any, session: Any, scope: Any, as_caller: ClientFactory) -> None:
    """aws:TokenIssueTime is that of the calling session, so a rule that excludes it excludes the new one."""
    scoped = scope(session, USERS)
    before = document(deny("*", Condition={"DateLessThan": {"aws:TokenIssueTime": "2999-01-01T00:00:00Z"}}))
    iam.put_role_policy(RoleName="job", PolicyName="AWSRevokeOlderSessions", PolicyDocument=before)
    assert refused(as_caller("iam", scoped).list_users).code == "AccessDenied"
