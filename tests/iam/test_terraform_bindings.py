"""Terraform's attachments, access keys, MFA devices and data sources."""

import base64
import json
from typing import Any

import pytest
from tests.documents import allow, document
from tests.iam.conftest import EC2, LIST_BUCKET
from tests.iam.terraform import User, normalized, or_none, shown, tags_out, unless_gone
from tests.refusals import refused
from tests.sts.authenticator import Authenticator

from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

KINDS = ("user", "role", "group")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, iam: Any) -> str:
    """Create a user, a role or a group `h`, and return its kind."""
    which: str = request.param
    trust = {"AssumeRolePolicyDocument": EC2} if which == "role" else {}
    getattr(iam, f"create_{which}")(**{f"{which.capitalize()}Name": "h"}, **trust)
    return which


def test_an_attachment_is_found_among_the_pages(iam: Any, kind: str) -> None:
    """aws_iam_user_policy_attachment and the same for roles and groups.

    Terraform attaches, reads every page, detaches, and imports by `name/arn`.
    """
    named = {f"{kind.capitalize()}Name": "h"}
    arns = [
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"] for number in range(3)
    ]
    attach, detach = getattr(iam, f"attach_{kind}_policy"), getattr(iam, f"detach_{kind}_policy")

    def attached(arn: str) -> bool:
        pages = iam.get_paginator(f"list_attached_{kind}_policies").paginate(**named, PaginationConfig={"PageSize": 1})
        return any(policy["PolicyArn"] == arn for page in pages for policy in page["AttachedPolicies"])

    for arn in arns:
        attach(**named, PolicyArn=arn)
        assert attached(arn)
    name, _, imported = f"h/{arns[1]}".partition("/")
    assert (name, attached(imported)) == ("h", True)
    for arn in arns:
        unless_gone(detach, **named, PolicyArn=arn)
        assert not attached(arn)
        unless_gone(detach, **named, PolicyArn=arn)


def test_an_inline_policy_comes_back_as_it_was_written(iam: Any, kind: str) -> None:
    """aws_iam_role_policy and the same for users and groups.

    Terraform puts, gets, puts again, deletes, and imports by `name:policy`.
    """
    named = {f"{kind.capitalize()}Name": "h", "PolicyName": "a+b=c,d.e@f-g_h"}
    put, get = getattr(iam, f"put_{kind}_policy"), getattr(iam, f"get_{kind}_policy")
    texts = [
        LIST_BUCKET,
        document(allow("s3:*", ["*"], Sid="With100Percent"), allow("s3:Get*", "arn:aws:s3:::a b+c/%2B/é&<>")),
    ]
    for text in texts:
        put(**named, PolicyDocument=normalized(text))
        assert shown(get(**named)["PolicyDocument"]) == normalized(text)
    unless_gone(getattr(iam, f"delete_{kind}_policy"), **named)
    assert or_none(lambda: dict(get(**named))) is None


def test_an_access_key_is_imported_by_its_id_alone(iam: Any, account: str) -> None:
    """aws_iam_access_key: create, deactivate, find in the list.

    An import reads the owner with GetAccessKeyLastUsed.
    """
    User(iam).create({"name": "u", "path": "/", "permissions_boundary": "", "tags": {}})
    key = iam.create_access_key(UserName="u")["AccessKey"]
    iam.update_access_key(UserName="u", AccessKeyId=key["AccessKeyId"], Status="Inactive")

    def find(user: str) -> dict[str, Any] | None:
        listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        return next((one for one in listed if one["AccessKeyId"] == key["AccessKeyId"]), None)

    owner = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["UserName"]
    found = find(owner)
    assert found is not None
    assert (found["Status"], found["UserName"], found["CreateDate"]) == ("Inactive", "u", key["CreateDate"])
    iam.update_access_key(UserName="u", AccessKeyId=key["AccessKeyId"], Status="Active")
    iam.delete_access_key(UserName="u", AccessKeyId=key["AccessKeyId"])
    assert find("u") is None


def test_a_virtual_mfa_device_is_found_by_its_serial_number(iam: Any, server: RunningServer) -> None:
    """aws_iam_virtual_mfa_device: create, enable, find, delete.

    The seed and the QR code are returned only once. Tags are read separately, and an enabled device is deactivated
    first.
    """
    tags = [{"Key": "a", "Value": "1"}]
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="d", Path="/x/", Tags=tags)["VirtualMFADevice"]
    assert made["QRCodePNG"]
    serial = made["SerialNumber"]

    def find() -> dict[str, Any] | None:
        pages = iam.get_paginator("list_virtual_mfa_devices").paginate()
        devices = [device for page in pages for device in page["VirtualMFADevices"]]
        return next((device for device in devices if device["SerialNumber"] == serial), None)

    found = find()
    assert found is not None
    assert serial.rpartition(":")[2] == "mfa/x/d"
    assert "EnableDate" not in found
    assert tags_out(iam.list_mfa_device_tags(SerialNumber=serial)["Tags"]) == {"a": "1"}
    iam.untag_mfa_device(SerialNumber=serial, TagKeys=["a"])
    iam.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "b", "Value": "2"}])
    assert tags_out(iam.list_mfa_device_tags(SerialNumber=serial)["Tags"]) == {"b": "2"}
    iam.create_user(UserName="u")
    app = Authenticator(serial, base64.b32decode(made["Base32StringSeed"]), server.clock)
    codes = {"AuthenticationCode1": app.code(-1), "AuthenticationCode2": app.code()}
    iam.enable_mfa_device(UserName="u", SerialNumber=serial, **codes)
    enabled = find()
    assert enabled is not None
    assert (enabled["User"]["UserName"], "EnableDate" in enabled) == ("u", True)
    unless_gone(iam.deactivate_mfa_device, UserName="u", SerialNumber=serial)
    unless_gone(iam.delete_virtual_mfa_device, SerialNumber=serial)
    assert find() is None


def test_a_user_is_destroyed_by_force_with_all_it_has(iam: Any, server: RunningServer) -> None:
    """force_destroy succeeds, although it lists entities that Daypass lacks."""
    provider = User(iam)
    provider.create({"name": "u", "path": "/", "permissions_boundary": "", "tags": {}})
    iam.create_access_key(UserName="u")
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="u")
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="d")["VirtualMFADevice"]
    app = Authenticator(made["SerialNumber"], base64.b32decode(made["Base32StringSeed"]), server.clock)
    codes = {"AuthenticationCode1": app.code(-1), "AuthenticationCode2": app.code()}
    iam.enable_mfa_device(UserName="u", SerialNumber=made["SerialNumber"], **codes)
    assert refused(iam.delete_user, UserName="u")[0] == "DeleteConflict"
    provider.delete("u")
    assert provider.read("u") is None


def test_the_data_sources_answer(iam: Any, account: str, as_caller: ClientFactory) -> None:
    """data.aws_caller_identity makes one call.

    data.aws_iam_policy_document makes no call; Daypass accepts its document.
    """
    key = iam.create_access_key()["AccessKey"]
    who = as_caller("sts", key).get_caller_identity()
    assert (who["Account"], who["UserId"]) == (account, account)
    written = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": "*",
                "Condition": {"StringLike": {"s3:prefix": ["home/&{aws:username}/", ""]}},
            }
        ],
    }
    iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(written, indent=2))
