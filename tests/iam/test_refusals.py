"""Unsupported actions are refused with a reason; no action is forgotten."""

from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from tests.documents import allow, document
from tests.iam.conftest import EVERYTHING
from tests.refusals import refused

from daypass.operations.iam.table import OPERATIONS
from daypass.operations.iam.unsupported_actions import ABSENT, EMPTY, REFUSED

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_login_profile", {"UserName": "ann", "Password": "x" * 12}),
    ("upload_ssh_public_key", {"UserName": "ann", "SSHPublicKeyBody": "ssh-rsa AAAA"}),
    ("upload_server_certificate", {"ServerCertificateName": "c", "CertificateBody": "x", "PrivateKey": "y"}),
    ("upload_signing_certificate", {"UserName": "ann", "CertificateBody": "x"}),
    ("create_service_specific_credential", {"UserName": "ann", "ServiceName": "codecommit.amazonaws.com"}),
    ("generate_service_last_accessed_details", {"Arn": "arn:aws:iam::123456789012:user/ann"}),
    ("generate_organizations_access_report", {"EntityPath": "o-a1b2c3d4e5/r-f6g7h8i9j0example"}),
    ("change_password", {"OldPassword": "a" * 12, "NewPassword": "b" * 12}),
)


@pytest.mark.parametrize(("action", "parameters"), CALLS)
def test_what_cannot_be_made_is_refused_with_the_reason(iam: Any, action: str, parameters: dict[str, Any]) -> None:
    """An SDK does not retry 404 NotSupportedService, which has the reason."""
    iam.create_user(UserName="ann")
    code, status, words = refused(getattr(iam, action), **parameters)
    assert (code, status) == ("NotSupportedService", 404)
    assert words.startswith("Daypass ")


def test_what_is_not_there_is_said_not_to_be(iam: Any) -> None:
    """Reads and deletes return AWS's message, followed by the reason."""
    iam.create_user(UserName="ann")
    code, status, words = refused(iam.delete_login_profile, UserName="ann")
    assert (code, status) == ("NoSuchEntity", 404)
    assert words.startswith("Login Profile for User ann cannot be found. Daypass has no passwords")
    assert refused(iam.get_login_profile, UserName="ghost")[2] == "The user with name ghost cannot be found."
    words = refused(iam.get_server_certificate, ServerCertificateName="c")[2]
    assert words.startswith("The Server Certificate with name c cannot be found.")


def test_lists_of_what_there_is_not_are_empty(iam: Any) -> None:
    """The lists are empty. Terraform reads them before it deletes a user."""
    iam.create_user(UserName="ann")
    assert iam.list_ssh_public_keys(UserName="ann")["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(UserName="ann")["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName="ann")["ServiceSpecificCredentials"] == []
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == []
    assert refused(iam.list_ssh_public_keys, UserName="ghost")[0] == "NoSuchEntity"


def test_even_a_refusal_is_authorized_first(account: str, user_client: Callable[..., Any]) -> None:
    """A caller without the permission gets AccessDenied, not the reason."""
    ann = user_client("ann", document(allow("iam:CreateLoginProfile", f"arn:aws:iam::{account}:user/ann")))
    password = {"Password": "x" * 12}
    assert refused(ann.create_login_profile, UserName="ann", **password)[0] == "NotSupportedService"
    assert refused(ann.create_login_profile, UserName="bea", **password)[0] == "AccessDenied"
    assert refused(ann.list_server_certificates)[0] == "AccessDenied"
    assert user_client("bea", EVERYTHING).list_server_certificates()["IsTruncated"] is False


def test_no_action_is_both_performed_and_refused() -> None:
    """Each action of the model is in exactly one table, under its name there."""
    names = [operation.action for operation in OPERATIONS]
    assert sorted(names) == sorted(set(names))
    assert {*REFUSED, *ABSENT, *EMPTY} <= set(names)
    assert set(names) <= set(botocore.session.get_session().get_service_model("iam").operation_names)
