"""The format OCSF: every event is valid in the published schema, and no member of an event is lost."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from tests.audit_sinks.receivers import line

from daypass.audit.delivery.ocsf import ACTIVITIES, VERSION, to_ocsf

_SESSION = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLE:ada",
    "arn": "arn:aws:sts::123456789012:assumed-role/Admin/ada",
    "accountId": "123456789012",
    "accessKeyId": "ASIAEXAMPLE",
    "sessionContext": {
        "sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::123456789012:role/Admin", "userName": "Admin"},
        "attributes": {"creationDate": "2026-11-30T22:00:00Z", "mfaAuthenticated": "true"},
    },
}


@cache
def _validator(class_uid: int) -> Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    name = schema.lookup_class_name_from_uid(class_uid=class_uid)
    return Draft202012Validator(schema.get_class_schema(class_name=name, profiles=["cloud"]))


def _event(**members: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(line(1, **members))
    return event


def _problems(mapped: dict[str, Any]) -> list[str]:
    return [
        f"{list(error.path)}: {error.message[:200]}" for error in _validator(mapped["class_uid"]).iter_errors(mapped)
    ]


@pytest.mark.parametrize(
    ("name", "class_uid", "activity"),
    [
        ("AssumeRole", 6003, 99),
        ("GetSessionToken", 6003, 99),
        ("GetCallerIdentity", 6003, 2),
        ("ListRoles", 6003, 2),
        ("CreateRole", 6003, 1),
        ("PutObject", 6003, 3),
        ("UntagRole", 6003, 3),
        ("DeleteRole", 6003, 4),
        ("AuditEventsLost", 6003, 99),
        ("SAMLSignIn", 3002, 1),
        ("OIDCSignIn", 3002, 1),
        ("SignOut", 3002, 2),
        ("CreateUser", 3001, 1),
        ("CreateAccessKey", 3001, 99),
        ("DeactivateMFADevice", 3001, 11),
    ],
)
def test_each_event_has_its_class_and_is_valid(name: str, class_uid: int, activity: int) -> None:
    """The published schema of this version decides."""
    for members in (
        {},
        {"userIdentity": _SESSION, "requestParameters": {"userName": "bob", "roleArn": "arn:aws:iam::1:role/x"}},
        {"userIdentity": {"type": "Unknown"}, "errorCode": "AccessDenied", "errorMessage": "no", "userAgent": ""},
        {"sourceIPAddress": "daypass", "userIdentity": {"type": "AWSService"}, "eventType": "AwsServiceEvent"},
    ):
        mapped = to_ocsf(_event(eventName=name, **members))
        assert (mapped["class_uid"], mapped["activity_id"]) == (class_uid, activity)
        assert mapped["type_uid"] == class_uid * 100 + activity
        assert _problems(mapped) == []


def test_an_event_of_data_is_valid() -> None:
    """Its resources have a place in the schema."""
    resources = [
        {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::b/k"},
        {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b", "accountId": "123456789012"},
    ]
    mapped = to_ocsf(_event(eventName="GetObject", readOnly=True, resources=resources, eventCategory="Data"))
    assert mapped["resources"][1] == {
        "uid": "arn:aws:s3:::b",
        "type": "AWS::S3::Bucket",
        "owner": {"account": {"uid": "123456789012"}},
    }
    assert _problems(mapped) == []


def test_the_session_says_its_role_and_mfa() -> None:
    """An analyst asks for the role, and for the time of the sign-in."""
    session = to_ocsf(_event(userIdentity=_SESSION))["actor"]["session"]
    assert session == {
        "issuer": "arn:aws:iam::123456789012:role/Admin",
        "credential_uid": "ASIAEXAMPLE",
        "created_time": 1_796_076_000_000,
        "is_mfa": True,
    }


_texts = st.text(max_size=8)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
    max_leaves=4,
)
_names: Callable[[], Any] = lambda: st.sampled_from([*ACTIVITIES, "AssumeRole", "GetObject", "Create", "X"])  # noqa: E731


@settings(max_examples=20, deadline=None)
@given(_names(), st.dictionaries(st.sampled_from(["chain", "additionalEventData", "tlsDetails", "new"]), _json))
def test_no_member_of_an_event_is_lost(name: str, more: dict[str, Any]) -> None:
    """A member that this mapping does not know is in `unmapped`, as it was."""
    event = _event(eventName=name, **more)
    mapped = to_ocsf(event)
    for member, value in more.items():
        if value not in (None, ""):
            assert mapped["unmapped"][member] == value
    everything = json.dumps(mapped)
    for member in ("eventID", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "requestID"):
        assert event[member] in everything
