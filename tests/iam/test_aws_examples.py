"""Example policies of AWS's documentation have the documented effect.

Source: IAM User Guide, "Example IAM identity-based policies" and "Permissions boundaries for IAM entities".
"""

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.documents import allow, document
from tests.iam.conftest import EVERYTHING, LIST_BUCKET
from tests.refusals import refused
from tests.sts.authenticator import Authenticator

from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

OWN = "arn:aws:iam::*:user/${aws:username}"

# From the page "AWS: Allows MFA-authenticated IAM users to manage their own credentials".
FORCE_MFA = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AllowViewAccountInfo",
            "Effect": "Allow",
            "Action": ["iam:GetAccountPasswordPolicy", "iam:ListVirtualMFADevices"],
            "Resource": "*",
        },
        {
            "Sid": "AllowManageOwnPasswords",
            "Effect": "Allow",
            "Action": ["iam:ChangePassword", "iam:GetUser"],
            "Resource": OWN,
        },
        {
            "Sid": "AllowManageOwnAccessKeys",
            "Effect": "Allow",
            "Action": [
                "iam:CreateAccessKey",
                "iam:DeleteAccessKey",
                "iam:GetAccessKeyLastUsed",
                "iam:ListAccessKeys",
                "iam:UpdateAccessKey",
            ],
            "Resource": OWN,
        },
        {
            "Sid": "AllowManageOwnSSHPublicKeys",
            "Effect": "Allow",
            "Action": [
                "iam:DeleteSSHPublicKey",
                "iam:GetSSHPublicKey",
                "iam:ListSSHPublicKeys",
                "iam:UpdateSSHPublicKey",
                "iam:UploadSSHPublicKey",
            ],
            "Resource": OWN,
        },
        {
            "Sid": "AllowManageOwnVirtualMFADevice",
            "Effect": "Allow",
            "Action": ["iam:CreateVirtualMFADevice"],
            "Resource": "arn:aws:iam::*:mfa/*",
        },
        {
            "Sid": "AllowManageOwnUserMFA",
            "Effect": "Allow",
            "Action": [
                "iam:DeactivateMFADevice",
                "iam:EnableMFADevice",
                "iam:ListMFADevices",
                "iam:ResyncMFADevice",
            ],
            "Resource": OWN,
        },
        {
            "Sid": "DenyAllExceptListedIfNoMFA",
            "Effect": "Deny",
            "NotAction": [
                "iam:CreateVirtualMFADevice",
                "iam:EnableMFADevice",
                "iam:GetMFADevice",
                "iam:GetUser",
                "iam:ListMFADevices",
                "iam:ListVirtualMFADevices",
                "iam:ResyncMFADevice",
                "sts:GetSessionToken",
            ],
            "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        },
    ],
}


def test_force_mfa_opens_nothing_but_the_way_to_mfa(
    iam: Any, user_client: Callable[..., Any], server: RunningServer, as_caller: ClientFactory
) -> None:
    """Without MFA a user can only read itself and enrol a device.

    With MFA it can manage its own keys, but not those of other users.
    """
    ann = user_client("ann", json.dumps(FORCE_MFA))
    iam.create_user(UserName="bea")
    assert ann.get_user()["User"]["UserName"] == "ann"
    assert ann.list_mfa_devices()["MFADevices"] == []
    assert "with an explicit deny" in refused(ann.list_access_keys)[2]
    assert "with an explicit deny" in refused(ann.create_access_key)[2]
    device = ann.create_virtual_mfa_device(VirtualMFADeviceName="ann")["VirtualMFADevice"]
    app = Authenticator(device["SerialNumber"], base64.b32decode(device["Base32StringSeed"]), server.clock)
    codes = {"AuthenticationCode1": app.code(-2), "AuthenticationCode2": app.code(-1)}
    assert refused(ann.enable_mfa_device, UserName="bea", SerialNumber=app.serial, **codes)[0] == "AccessDenied"
    ann.enable_mfa_device(UserName="ann", SerialNumber=app.serial, **codes)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    session = as_caller("sts", key).get_session_token(SerialNumber=app.serial, TokenCode=app.code(1))
    with_mfa = as_caller("iam", session["Credentials"])
    assert len(with_mfa.list_access_keys()["AccessKeyMetadata"]) == 2
    assert len(with_mfa.list_access_keys(UserName="ann")["AccessKeyMetadata"]) == 2
    with_mfa.update_access_key(AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with_mfa.update_access_key(AccessKeyId=key["AccessKeyId"], Status="Active")
    assert with_mfa.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["UserName"] == "ann"
    assert refused(with_mfa.list_access_keys, UserName="bea")[0] == "AccessDenied"
    assert refused(with_mfa.create_access_key, UserName="bea")[0] == "AccessDenied"
    assert refused(with_mfa.list_users)[0] == "AccessDenied"
    with_mfa.delete_access_key(AccessKeyId=key["AccessKeyId"])


def test_self_service_is_for_oneself_wherever_one_is(user_client: Callable[..., Any], as_caller: ClientFactory) -> None:
    """Without a name, the action applies to the user who signs the request.

    Source: "AWS: Allows IAM users to manage their own … access keys".
    """
    policy = document(allow("iam:*AccessKey*", OWN), allow("iam:GetUser", OWN))
    ann = user_client("ann", policy)
    user_client("ann2", policy)
    mine = ann.create_access_key()["AccessKey"]
    assert mine["UserName"] == "ann"
    assert refused(ann.create_access_key) == ("LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2")
    ann.delete_access_key(AccessKeyId=mine["AccessKeyId"])
    for other in ("ann2", "an", "ANN2"):
        assert refused(ann.list_access_keys, UserName=other)[0] == "AccessDenied"


def test_a_user_below_a_path_is_not_meant_by_a_name_alone(user_client: Callable[..., Any]) -> None:
    """The ARN contains the path, thus the documented policy does not match it.

    AWS gives the same result.
    """
    ann = user_client("ann", document(allow("iam:ListAccessKeys", OWN)), Path="/x/")
    assert refused(ann.list_access_keys)[0] == "AccessDenied"


def test_a_name_like_a_wildcard_is_a_name(iam: Any, user_client: Callable[..., Any]) -> None:
    """A variable's value is literal: a user name cannot widen the policy."""
    ann = user_client("a+n=n,@.-_", document(allow("iam:ListAccessKeys", OWN)))
    iam.create_user(UserName="ann")
    assert len(ann.list_access_keys()["AccessKeyMetadata"]) == 1
    assert refused(ann.list_access_keys, UserName="ann")[0] == "AccessDenied"


def test_who_may_create_users_within_a_boundary_cannot_go_beyond_it(
    iam: Any, account: str, user_client: Callable[..., Any], as_caller: ClientFactory
) -> None:
    """A delegate can only create users with the boundary.

    Source: "Delegating responsibility to others using permissions boundaries".
    """
    company = iam.create_policy(PolicyName="XCompanyBoundaries", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    bounded = {"StringEquals": {"iam:PermissionsBoundary": company}}
    delegated = document(
        {
            "Sid": "CreateOrChangeOnlyWithBoundary",
            "Effect": "Allow",
            "Action": [
                "iam:AttachUserPolicy",
                "iam:CreateUser",
                "iam:DeleteUserPolicy",
                "iam:DetachUserPolicy",
                "iam:PutUserPermissionsBoundary",
                "iam:PutUserPolicy",
            ],
            "Resource": "*",
            "Condition": bounded,
        },
        allow(["iam:CreateAccessKey", "iam:GetUser", "iam:ListUsers"]),
        {
            "Sid": "NoBoundaryPolicyEdit",
            "Effect": "Deny",
            "Action": [
                "iam:CreatePolicyVersion",
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:SetDefaultPolicyVersion",
            ],
            "Resource": [f"arn:aws:iam::{account}:policy/XCompanyBoundaries"],
        },
        {
            "Sid": "NoBoundaryUserDelete",
            "Effect": "Deny",
            "Action": "iam:DeleteUserPermissionsBoundary",
            "Resource": "*",
        },
    )
    maria = user_client("maria", delegated)
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert refused(maria.create_user, UserName="nikhil")[0] == "AccessDenied"
    assert refused(maria.create_user, UserName="nikhil", PermissionsBoundary=admin)[0] == "AccessDenied"
    maria.create_user(UserName="nikhil", PermissionsBoundary=company)
    maria.attach_user_policy(UserName="nikhil", PolicyArn=admin)
    iam.create_user(UserName="free")
    assert refused(maria.attach_user_policy, UserName="free", PolicyArn=admin)[0] == "AccessDenied"
    assert refused(maria.put_user_policy, UserName="maria", PolicyName="p", PolicyDocument=EVERYTHING)[0] == (
        "AccessDenied"
    )
    assert refused(maria.put_user_permissions_boundary, UserName="nikhil", PermissionsBoundary=admin)[0] == (
        "AccessDenied"
    )
    assert refused(maria.delete_user_permissions_boundary, UserName="nikhil")[0] == "AccessDenied"
    nikhil = as_caller("iam", maria.create_access_key(UserName="nikhil")["AccessKey"])
    assert "because no permissions boundary allows" in refused(nikhil.list_users)[2]


def test_long_term_keys_never_have_mfa(user_client: Callable[..., Any]) -> None:
    """Bool does not match if the request lacks the condition key."""
    only_mfa = document(allow("iam:ListUsers", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    assert refused(user_client("ann", only_mfa).list_users)[0] == "AccessDenied"
