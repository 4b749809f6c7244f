"""Callers with few permissions cannot get more: each test tries one way."""

import msgspec
from tests.documents import allow, deny, document, new_key
from tests.refusals import refused
from tests.sts.authenticator import enrol, new_device

from daypass.authenticate.caller import user_caller
from daypass.authenticate.keychain import Keychain
from daypass.authorize.snapshot import SnapshotViews
from daypass.bootstrap import RootKey
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.identity import load_identity
from daypass.directory.organization import organization_changes
from daypass.directory.store import Reader
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.operations.iam.self_service import get_owner, owner_arn
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


def test_nobody_escapes_control_policies_by_the_path_of_a_role(server: RunningServer, as_caller: ClientFactory) -> None:
    """Only service-linked roles have their path, and it exempts no role.

    Otherwise an administrator of a member account could assume a role with this path and bypass every control policy.
    """
    server.new_account(standing="management")
    member = server.new_account()
    with server.there.store.write() as writer:
        organization_changes.set_policy(writer, member.account, "service", "guard", document(deny("iam:ListUsers")))
    iam = as_caller("iam", member)
    key = new_key(iam, "eve", allow("*"))
    trust = document({"Effect": "Allow", "Principal": {"AWS": member.account}, "Action": "sts:AssumeRole"})
    path = "/aws-service-role/ecs.amazonaws.com/"
    assert refused(iam.create_role, RoleName="free", Path=path, AssumeRolePolicyDocument=trust).code == "InvalidInput"

    role = iam.create_role(RoleName="free", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(RoleName="free", PolicyName="all", PolicyDocument=document(allow("*")))
    with server.there.store.write() as writer:  # Like a role that was stored before this path was refused.
        stored = records.find_by_id(writer, Role, role["RoleId"])
        assert stored is not None
        records.delete(writer, stored)
        records.insert(writer, msgspec.structs.replace(stored, path=path))
    arn = f"arn:aws:iam::{member.account}:role{path}free"
    session = as_caller("sts", key).assume_role(RoleArn=arn, RoleSessionName="eve")["Credentials"]
    assert refused(as_caller("iam", session).list_users).code == "AccessDenied"


def test_a_provider_has_one_spelling(root: RootKey, as_caller: ClientFactory) -> None:
    """A Deny on an OpenID Connect provider's ARN cannot be evaded with another partition.

    The caller writes the partition into the ARN, and it is refused.
    """
    iam = as_caller("iam", root)
    arn = iam.create_open_id_connect_provider(Url="https://id.example.com", ClientIDList=["app"])[
        "OpenIDConnectProviderArn"
    ]
    eve = as_caller("iam", new_key(iam, "eve", allow("iam:*"), deny("iam:*OpenID*", arn)))
    foreign = ("ValidationError", 400, "Invalid ARN partition")
    for other in (arn.replace("arn:aws:", "arn:aws-cn:"), arn.replace("arn:aws:", "arn:AWS:")):
        assert refused(eve.get_open_id_connect_provider, OpenIDConnectProviderArn=other) == foreign
        add = eve.add_client_id_to_open_id_connect_provider
        assert refused(add, OpenIDConnectProviderArn=other, ClientID="mine") == foreign
        assert refused(eve.delete_open_id_connect_provider, OpenIDConnectProviderArn=other) == foreign
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["app"]


def test_a_request_about_the_caller_itself_is_about_itself_under_any_name(
    server: RunningServer, as_caller: ClientFactory
) -> None:
    """A renamed user does not act on the user who has the old name now.

    The node has not read the change yet.
    """
    root = server.new_account()
    iam = as_caller("iam", root)
    key = new_key(iam, "alice", allow("*"))
    with server.there.store.read() as reader:
        alice = records.find(reader, User, root.account, "alice")
        assert alice is not None
        before = load_identity(reader, alice.id)
        assert before is not None
    stale = user_caller(before, key["AccessKeyId"])
    iam.update_user(UserName="alice", NewUserName="anna")
    iam.create_user(UserName="alice")
    with server.there.store.read() as reader:
        ctx = a_world(server, reader)
        assert get_owner(None, stale, ctx).id == alice.id
        assert owner_arn(None, stale, ctx) == f"arn:aws:iam::{root.account}:user/anna"


def a_world(server: RunningServer, reader: Reader) -> RequestContext:
    """Return a request context on one snapshot."""
    there = server.there
    return RequestContext(
        now=server.clock.now(),
        region="us-east-1",
        views=SnapshotViews(reader),
        load_sealing_ring=lambda: load_sealing_ring(reader, there.vault),
        entropy=there.entropy,
        vault=there.vault,
        keychain=Keychain(there.vault),
        settings=ServiceSettings(),
        open_new_transaction=there.store.write,
        open_snapshot=there.store.read,
        transaction=reader,
    )


def test_a_device_is_shown_to_those_who_may_see_its_owner(
    server: RunningServer, root: RootKey, as_caller: ClientFactory
) -> None:
    """GetMFADevice without a UserName checks the device's owner."""
    iam = as_caller("iam", root)
    own = f"arn:aws:iam::{root.account}:user/${{aws:username}}"
    eve, bob = (as_caller("iam", new_key(iam, name, allow("iam:GetMFADevice", own))) for name in ("eve", "bob"))
    app = new_device(iam, server.clock, "bobs")
    enrol(iam, app, "bob")
    assert bob.get_mfa_device(SerialNumber=app.serial)["UserName"] == "bob"
    assert refused(eve.get_mfa_device, SerialNumber=app.serial).code == "AccessDenied"
