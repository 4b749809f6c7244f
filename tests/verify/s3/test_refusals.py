"""S3's errors: codes, words and XML."""

import re
from xml.etree import ElementTree as ET

import pytest
from tests.verify.s3.s3_requests import ACCOUNT, CALLER, ROLE, parse

from daypass.errors import ExpiredToken, InternalFailure, Throttling
from daypass.policy.decision import Denied
from daypass.policy.source import PolicyType
from daypass.verify.caller import ANONYMOUS
from daypass.verify.refusals import VerifyError, VerifyReason
from daypass.verify.s3.errors import ERRORS, render_error, s3_error
from daypass.verify.s3.permissions.actions import permissions
from daypass.verify.s3.permissions.refusals import denial, fault_refusal, refusal

_OTHER = "444455556666"


@pytest.mark.parametrize("reason", VerifyReason)
def test_every_reason_has_an_error(reason: VerifyReason) -> None:
    """A reason without a row would be an internal error."""
    error = refusal(VerifyError(reason))
    assert error.code in ERRORS
    assert error.status != 500


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (VerifyReason.NO_SIGNATURE, 403, "AccessDenied"),
        (VerifyReason.UNKNOWN_KEY, 403, "InvalidAccessKeyId"),
        (VerifyReason.SIGNATURE_MISMATCH, 403, "SignatureDoesNotMatch"),
        (VerifyReason.INVALID_TOKEN, 400, "InvalidToken"),
        (VerifyReason.EXPIRED_TOKEN, 400, "ExpiredToken"),
        (VerifyReason.TOO_SKEWED, 403, "RequestTimeTooSkewed"),
        (VerifyReason.URL_EXPIRED, 403, "AccessDenied"),
        (VerifyReason.EXPIRES, 400, "AuthorizationQueryParametersError"),
        (VerifyReason.HEADER_MALFORMED, 400, "AuthorizationHeaderMalformed"),
        (VerifyReason.WRONG_REGION, 400, "AuthorizationHeaderMalformed"),
        (VerifyReason.SIGNATURE_VERSION_2, 400, "InvalidRequest"),
        (VerifyReason.TWO_MECHANISMS, 400, "InvalidArgument"),
        (VerifyReason.HEADERS_NOT_SIGNED, 403, "AccessDenied"),
        (VerifyReason.BODY_HASH, 400, "XAmzContentSHA256Mismatch"),
        (VerifyReason.BODY_LENGTH, 400, "IncompleteBody"),
    ],
)
def test_codes_are_those_of_s3(reason: VerifyReason, status: int, code: str) -> None:
    """SDKs act on the code, for example they renew the session at ExpiredToken."""
    error = refusal(VerifyError(reason))
    assert (error.status, error.code) == (status, code)


def test_a_wrong_scope_of_a_presigned_url_is_blamed_on_the_query() -> None:
    """S3 has one code for each place."""
    error = VerifyError(VerifyReason.WRONG_REGION, "The region 'a' is wrong.", fields={"Region": "b"})
    assert refusal(error).message == "The authorization header is malformed; The region 'a' is wrong."
    assert refusal(error, presigned=True).code == "AuthorizationQueryParametersError"
    assert refusal(error).extra == {"Region": "b"}


def test_signature_version_2_names_the_remedy() -> None:
    """Boto3 and the AWS CLI use it for presigned URLs of some regions."""
    message = refusal(VerifyError(VerifyReason.SIGNATURE_VERSION_2)).message
    assert "s3.signature_version = s3v4" in message
    assert 'Config(signature_version="s3v4")' in message


def test_details_of_a_fault_are_for_the_audit_log() -> None:
    """The client does not see why a token was refused."""
    fault = ExpiredToken("The security token included in the request is expired", detail="revoked by an operator")
    error = refusal(VerifyError(VerifyReason.EXPIRED_TOKEN, fault=fault))
    assert error.message == "The provided token has expired."
    assert error.detail == "revoked by an operator"
    assert b"operator" not in render_error(error, resource="/b", request_id="1")


def test_a_store_without_its_database_is_unavailable() -> None:
    """It is not the caller's fault."""
    assert fault_refusal(InternalFailure("x")).status == 503
    assert fault_refusal(Throttling("x")).code == "SlowDown"


def test_a_denial_is_s3s_sentence() -> None:
    """Source: Amazon S3 User Guide, "Troubleshoot access denied (403 Forbidden) errors in Amazon S3"."""
    (one,) = permissions(parse("GET", "/b01/k"))
    implicit = Denied(explicit=False, by=PolicyType.IDENTITY, statements=(), action=one.action)
    explicit = Denied(explicit=True, by=PolicyType.RESOURCE, statements=(), action=one.action)
    user = f'User: {ROLE} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b01/k"'
    assert denial(CALLER, one, implicit, resource_account=ACCOUNT).message == (
        f"{user} because no identity-based policy allows the s3:GetObject action"
    )
    assert denial(CALLER, one, explicit, resource_account=ACCOUNT).message == (
        f"{user} with an explicit deny in a resource-based policy"
    )
    (all_buckets,) = permissions(parse("GET", "/"))
    assert denial(CALLER, all_buckets, implicit, resource_account="").message.startswith(
        f"User: {ROLE} is not authorized to perform: s3:ListAllMyBuckets because"
    )


def test_a_foreign_caller_does_not_learn_about_policies_of_the_owner() -> None:
    """Its own account's policies it may know."""
    (one,) = permissions(parse("GET", "/b01/k"))
    of_owner = Denied(explicit=True, by=PolicyType.RESOURCE, statements=(), action=one.action)
    own = Denied(explicit=False, by=PolicyType.IDENTITY, statements=(), action=one.action)
    assert denial(CALLER, one, of_owner, resource_account=_OTHER).message == "Access Denied"
    assert "resource-based policy" in denial(CALLER, one, of_owner, resource_account=_OTHER).detail
    assert denial(CALLER, one, own, resource_account=_OTHER).message.startswith("User: ")
    assert denial(ANONYMOUS, one, of_owner, resource_account=ACCOUNT).message == "Access Denied"


def test_the_body_is_s3s_xml() -> None:
    """Without ErrorResponse; extra elements are between the message and the resource."""
    error = s3_error("NoSuchKey", "a <b> & \x01\x00\ud800 \r", Key="ü>")
    body = render_error(error, resource="/b01/<k>", request_id="0A1B")
    assert re.match(rb'<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>NoSuchKey</Code><Message>', body)
    root = ET.fromstring(body)  # noqa: S314 - our own output
    assert [(child.tag, child.text) for child in root] == [
        ("Code", "NoSuchKey"),
        ("Message", "a <b> & \ufffd\ufffd\ufffd \r"),
        ("Key", "ü>"),
        ("Resource", "/b01/<k>"),
        ("RequestId", "0A1B"),
    ]


def test_an_unknown_code_is_a_bug() -> None:
    """The table has every code that is used."""
    with pytest.raises(KeyError):
        s3_error("NoSuchThing")
