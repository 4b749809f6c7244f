"""Users, groups and access keys: each answer is the same as AWS's."""

from collections.abc import Callable
from typing import Any

from tests.documents import allow, document
from tests.iam.conftest import EVERYTHING, LIST_BUCKET, body
from tests.refusals import refused

from daypass.bootstrap import RootKey
from daypass.directory.entities.iam_entities import LastUse
from daypass.directory.last_uses import LastUses
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

NO_USER = ("NoSuchEntity", 404, "The user with name ghost cannot be found.")


def test_a_user_is_shown_as_on_aws(iam: Any, account: str) -> None:
    """Lists omit boundary and tags; all answers omit empty members."""
    boundary = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    tags = [{"Key": "Environment", "Value": "Test"}, {"Key": "Team", "Value": "Platform"}]
    made = iam.create_user(UserName="ann", Path="/x/", PermissionsBoundary=boundary, Tags=tags)["User"]
    assert made["Arn"] == f"arn:aws:iam::{account}:user/x/ann"
    assert made["Tags"] == tags
    assert iam.get_user(UserName="ann")["User"] == made
    bare = {"Arn", "CreateDate", "Path", "UserId", "UserName"}
    assert made.keys() == bare | {"PermissionsBoundary", "Tags"}
    assert [user.keys() for user in iam.list_users(PathPrefix="/x")["Users"]] == [bare]
    assert iam.create_user(UserName="bea")["User"].keys() == bare


def test_the_root_user_has_neither_path_nor_name(iam: Any, root: RootKey) -> None:
    """GetUser without a name shows the caller."""
    user = iam.get_user()["User"]
    assert user.keys() == {"UserId", "Arn", "CreateDate"}
    assert user["Arn"] == f"arn:aws:iam::{root.account}:root"


def test_renaming_keeps_id_keys_and_policies(
    iam: Any, user_client: Callable[..., Any], as_caller: ClientFactory
) -> None:
    """A renamed user is the same user; a name that is taken is refused."""
    made = iam.create_user(UserName="ann")["User"]
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=EVERYTHING)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    iam.create_user(UserName="bea")
    taken = ("EntityAlreadyExists", 409, "User with name BEA already exists.")
    assert refused(iam.update_user, UserName="ann", NewUserName="BEA") == taken
    iam.update_user(UserName="ann", NewUserName="cleo", NewPath="/new/")
    assert refused(iam.get_user, UserName="ann")[0] == "NoSuchEntity"
    assert iam.get_user(UserName="cleo")["User"]["UserId"] == made["UserId"]
    who = as_caller("sts", key).get_caller_identity()
    assert (who["Arn"].rpartition(":")[2], who["UserId"]) == ("user/new/cleo", made["UserId"])
    assert iam.list_access_keys(UserName="cleo")["AccessKeyMetadata"][0]["UserName"] == "cleo"
    iam.update_user(UserName="cleo", NewUserName="Cleo")


def test_a_user_goes_when_all_that_is_its_own_is_gone(iam: Any) -> None:
    """Each remaining part of a user has its own error message."""
    iam.create_user(UserName="ann")
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=LIST_BUCKET)
    key = iam.create_access_key(UserName="ann")["AccessKey"]["AccessKeyId"]

    def words() -> str:
        code, status, message = refused(iam.delete_user, UserName="ann")
        assert (code, status) == ("DeleteConflict", 409)
        return message

    assert words() == "Cannot delete entity, must delete access keys first."
    iam.delete_access_key(UserName="ann", AccessKeyId=key)
    assert words() == "Cannot delete entity, must delete policies first."
    iam.delete_user_policy(UserName="ann", PolicyName="p")
    assert words() == "Cannot delete entity, must remove users from group first."
    iam.remove_user_from_group(GroupName="g", UserName="ann")
    iam.delete_user(UserName="ann")
    assert refused(iam.delete_user, UserName="ghost") == NO_USER


def test_groups_have_members(iam: Any, account: str) -> None:
    """Adding twice or removing twice is not an error.

    If user and group are missing, AWS's error names the user.
    """
    group = iam.create_group(GroupName="g", Path="/x/")["Group"]
    assert group.keys() == {"Arn", "CreateDate", "GroupId", "GroupName", "Path"}
    user = iam.create_user(UserName="ann")["User"]
    assert body(iam.get_group(GroupName="g")) == {"Group": group, "Users": [], "IsTruncated": False}
    for _ in range(2):
        iam.add_user_to_group(GroupName="g", UserName="ann")
    assert iam.get_group(GroupName="g")["Users"] == [user]
    assert iam.list_groups_for_user(UserName="ann")["Groups"] == [group]
    for _ in range(2):
        iam.remove_user_from_group(GroupName="g", UserName="ann")
    assert iam.list_groups_for_user(UserName="ann")["Groups"] == []
    no_group = ("NoSuchEntity", 404, "The group with name ghost cannot be found.")
    assert refused(iam.add_user_to_group, GroupName="ghost", UserName="ann") == no_group
    assert refused(iam.remove_user_from_group, GroupName="ghost", UserName="ghost") == NO_USER
    assert refused(iam.get_group, GroupName="ghost") == no_group
    taken = ("EntityAlreadyExists", 409, "Group with name G already exists.")
    assert refused(iam.create_group, GroupName="G") == taken
    iam.update_group(GroupName="g", NewGroupName="h", NewPath="/y/")
    assert iam.list_groups(PathPrefix="/y/")["Groups"][0]["Arn"] == f"arn:aws:iam::{account}:group/y/h"
    iam.delete_group(GroupName="h")


def test_ten_groups_are_the_most(iam: Any) -> None:
    """A user is in at most ten groups."""
    iam.create_user(UserName="ann")
    for number in range(11):
        iam.create_group(GroupName=f"g{number}")
    for number in range(10):
        iam.add_user_to_group(GroupName=f"g{number}", UserName="ann")
    got = refused(iam.add_user_to_group, GroupName="g10", UserName="ann")
    assert got == ("LimitExceeded", 409, "Cannot exceed quota for GroupsPerUser: 10")
    first = iam.list_groups_for_user(UserName="ann", MaxItems=7)
    rest = iam.list_groups_for_user(UserName="ann", Marker=first["Marker"])
    assert len({group["GroupName"] for group in (*first["Groups"], *rest["Groups"])}) == 10


def test_a_groups_policies_are_its_members(iam: Any, user_client: Callable[..., Any]) -> None:
    """Adding and removing a member changes its permissions at once."""
    ann = user_client("ann")
    iam.create_group(GroupName="g")
    iam.put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=document(allow("iam:ListUsers")))
    assert refused(ann.list_users)[0] == "AccessDenied"
    iam.add_user_to_group(GroupName="g", UserName="ann")
    assert len(ann.list_users()["Users"]) == 1
    iam.remove_user_from_group(GroupName="g", UserName="ann")
    assert refused(ann.list_users)[0] == "AccessDenied"


def test_access_keys_live_and_are_shown_as_on_aws(iam: Any, as_caller: ClientFactory) -> None:
    """A user has at most two keys; an inactive key cannot sign requests.

    The secret is shown once.
    """
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    assert key.keys() == {"AccessKeyId", "CreateDate", "SecretAccessKey", "Status", "UserName"}
    assert as_caller("sts", key).get_caller_identity()["Arn"].endswith(":user/ann")
    iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refused(as_caller("sts", key).get_caller_identity)[0] == "InvalidClientTokenId"
    shown = iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]
    assert shown == [{**{name: key[name] for name in ("AccessKeyId", "CreateDate", "UserName")}, "Status": "Inactive"}]
    iam.create_access_key(UserName="ann")
    third = ("LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2")
    assert refused(iam.create_access_key, UserName="ann") == third
    example = "AKIAIOSFODNN7EXAMPLE"
    missing = ("NoSuchEntity", 404, f"The Access Key with id {example} cannot be found.")
    assert refused(iam.update_access_key, UserName="ann", AccessKeyId=example, Status="Active") == missing
    assert refused(iam.create_access_key, UserName="ghost") == NO_USER


def test_a_key_belongs_to_one_user(iam: Any) -> None:
    """A key cannot be deleted with the name of another user."""
    for name in ("ann", "bea"):
        iam.create_user(UserName=name)
    key = iam.create_access_key(UserName="ann")["AccessKey"]["AccessKeyId"]
    assert refused(iam.delete_access_key, UserName="bea", AccessKeyId=key)[0] == "NoSuchEntity"
    assert len(iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]) == 1


def test_the_last_use_of_a_key_is_known(iam: Any, server: RunningServer, account: str) -> None:
    """An unused key shows N/A. A second use within a minute is not stored."""
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]["AccessKeyId"]

    def shown() -> dict[str, Any]:
        answer = body(iam.get_access_key_last_used(AccessKeyId=key))
        assert answer.pop("UserName") == "ann"
        return dict(answer["AccessKeyLastUsed"])

    assert shown() == {"Region": "N/A", "ServiceName": "N/A"}
    uses, at = LastUses(), server.clock.now().replace(microsecond=0)
    for service in ("iam", "sts"):
        uses.note(LastUse(id=key, account=account, at=at, region="eu-west-1", service=service))
    uses.flush(server.there.store)
    assert shown() == {"LastUsedDate": at, "Region": "eu-west-1", "ServiceName": "iam"}
    iam.delete_access_key(UserName="ann", AccessKeyId=key)
    uses.flush(server.there.store)


def test_a_key_of_nobody_here_is_refused(iam: Any, root: RootKey, server: RunningServer) -> None:
    """AWS returns AccessDenied, and discloses no details of a foreign key."""
    elsewhere = server.new_account().access_key_id
    for key in ("AKIAIOSFODNN7EXAMPLE", elsewhere):
        words = (
            f"User: arn:aws:iam::{root.account}:root is not authorized to perform "
            f"iam:GetAccessKeyLastUsed on resource: access key {key}"
        )
        assert refused(iam.get_access_key_last_used, AccessKeyId=key) == ("AccessDenied", 403, words)
