"""Events in the Open Cybersecurity Schema Framework (OCSF) 1.4.0.

They have the profile `cloud`. Owns the mapping from CloudTrail's members. Pure. Members without a place in OCSF are in
`unmapped`, as they were, so that no member of an event is lost. Source: the classes 3001, 3002 and 6003 of schema
version 1.4.0.

- Sign-ins and sign-outs are Authentication (3002).
- Changes of IAM users, their keys, passwords, devices and policies are Account Change (3001).
- All other events are API Activity (6003).
"""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from daypass.audit.bounds import encode_json

VERSION = "1.4.0"


class OcsfActivity(NamedTuple):
    """A class of events with its category, and one of its activities."""

    category: int
    class_uid: int
    activity: int
    name: str


def _sign_in(activity: int, name: str) -> OcsfActivity:
    return OcsfActivity(3, 3002, activity, name)


def _account_change(activity: int, name: str) -> OcsfActivity:
    return OcsfActivity(3, 3001, activity, name)


_ENABLE_FACTOR, _DISABLE_FACTOR = (
    _account_change(10, "MFA Factor Enable"),
    _account_change(11, "MFA Factor Disable"),
)
_ATTACH, _DETACH = _account_change(7, "Attach Policy"), _account_change(8, "Detach Policy")
ACTIVITIES: Mapping[str, OcsfActivity] = MappingProxyType(
    {
        "SAMLSignIn": _sign_in(1, "Logon"),
        "OIDCSignIn": _sign_in(1, "Logon"),
        "ConsoleLogin": _sign_in(1, "Logon"),
        "SignOut": _sign_in(2, "Logoff"),
        "Logout": _sign_in(2, "Logoff"),
        "CreateUser": _account_change(1, "Create"),
        "DeleteUser": _account_change(6, "Delete"),
        "CreateAccessKey": _account_change(99, "Create Access Key"),
        "UpdateAccessKey": _account_change(99, "Update Access Key"),
        "DeleteAccessKey": _account_change(99, "Delete Access Key"),
        "ChangePassword": _account_change(3, "Password Change"),
        "UpdateLoginProfile": _account_change(4, "Password Reset"),
        "EnableMFADevice": _ENABLE_FACTOR,
        "DeactivateMFADevice": _DISABLE_FACTOR,
        "AttachUserPolicy": _ATTACH,
        "PutUserPolicy": _ATTACH,
        "PutUserPermissionsBoundary": _ATTACH,
        "DetachUserPolicy": _DETACH,
        "DeleteUserPolicy": _DETACH,
        "DeleteUserPermissionsBoundary": _DETACH,
    }
)
"""The events that are not API Activity."""

_VERBS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "Create": (1, "Create"),
        "Register": (1, "Create"),
        "Get": (2, "Read"),
        "List": (2, "Read"),
        "Head": (2, "Read"),
        "Describe": (2, "Read"),
        "Simulate": (2, "Read"),
        "Update": (3, "Update"),
        "Set": (3, "Update"),
        "Put": (3, "Update"),
        "Attach": (3, "Update"),
        "Detach": (3, "Update"),
        "Add": (3, "Update"),
        "Remove": (3, "Update"),
        "Tag": (3, "Update"),
        "Untag": (3, "Update"),
        "Upload": (3, "Update"),
        "Delete": (4, "Delete"),
    }
)
# These issue credentials, whatever their verb is.
_ISSUING = frozenset({"GetSessionToken", "GetFederationToken", "GetRoleCredentials", "GetWebIdentityToken"})
_PROTOCOLS: Mapping[str, tuple[int, str]] = MappingProxyType({"SAMLSignIn": (5, "SAML"), "OIDCSignIn": (4, "OpenID")})
_USER_TYPES: Mapping[str, int] = MappingProxyType({"Root": 2, "IAMUser": 1, "Unknown": 0, "AWSService": 3})
_OTHER = 99
_PRODUCT: Mapping[str, str] = MappingProxyType({"name": "Daypass", "vendor_name": "Daypass"})

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def to_ocsf_line(line: bytes) -> bytes:
    """Return the OCSF event of a line of the audit log, without a line end."""
    return encode_json(to_ocsf(_decode(line)))


def to_ocsf(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OCSF event of an event of the audit log."""
    left = dict(event)
    name = str(left.get("eventName", ""))
    activity = _activity_of(name, read_only=left.get("readOnly"))
    identity = _mapping(left.pop("userIdentity", None))
    user = _user(identity)
    mapped: dict[str, Any] = {
        "activity_id": activity.activity,
        "activity_name": activity.name,
        "category_uid": activity.category,
        "class_uid": activity.class_uid,
        "type_uid": activity.class_uid * 100 + activity.activity,
        "severity_id": 1,
        "time": _milliseconds(str(left.get("eventTime", ""))),
        "metadata": _metadata(left),
        "cloud": _cloud(left, identity),
        "actor": {"user": user, **_session(identity)},
        "src_endpoint": _endpoint(str(left.pop("sourceIPAddress", "") or "unknown")),
        **_status(left),
        **_class_members(activity, name, user, left, identity),
    }
    agent = left.pop("userAgent", "")
    if agent:
        mapped["http_request"] = {"user_agent": agent}
    mapped["api"] = _api(left)  # takes the last members
    # The identity stays whole for readers who know CloudTrail's members: OCSF has no place for some of them.
    left["userIdentity"] = identity
    return {**mapped, "unmapped": {member: value for member, value in left.items() if value not in (None, "")}}


def _activity_of(name: str, *, read_only: Any) -> OcsfActivity:
    if name in ACTIVITIES:
        return ACTIVITIES[name]
    if name not in _ISSUING:
        if read_only is True:
            return OcsfActivity(6, 6003, 2, "Read")
        # The longest verb first: "Update" is not "Up", and "Untag" is not "Tag".
        for verb, (number, word) in _VERBS.items():
            if name.startswith(verb):
                return OcsfActivity(6, 6003, number, word)
    return OcsfActivity(6, 6003, _OTHER, name or "Unknown")


def _class_members(
    activity: OcsfActivity, name: str, user: Mapping[str, Any], left: dict[str, Any], identity: Mapping[str, Any]
) -> dict[str, Any]:
    if activity.class_uid == 3002:  # noqa: PLR2004 - see ACTIVITIES
        number, protocol = _PROTOCOLS.get(name, (0, "Unknown"))
        service = {"name": str(left.get("eventSource", "daypass"))}
        return {"user": user, "service": service, "auth_protocol_id": number, "auth_protocol": protocol}
    if activity.class_uid == 3001:  # noqa: PLR2004
        # A call without a name is about the caller, such as ChangePassword.
        changed = _mapping(left.get("requestParameters")).get("userName") or _mapping(
            left.get("requestParameters")
        ).get("UserName")
        account = _account(left, identity)
        return {"user": {"name": changed, "type_id": 1, **account} if isinstance(changed, str) else user}
    resources = [_resource(each) for each in left.pop("resources", None) or () if isinstance(each, Mapping)]
    return {"resources": [each for each in resources if each]} if resources else {}


def _resource(resource: Mapping[str, Any]) -> dict[str, Any]:
    arn = resource.get("ARN") or resource.get("ARNPrefix")
    owner = resource.get("accountId")
    found: dict[str, Any] = {"uid": arn, "type": resource.get("type", "Unknown")} if arn else {}
    return {**found, "owner": {"account": {"uid": owner}}} if found and owner else found


def _metadata(left: dict[str, Any]) -> dict[str, Any]:
    time = left.pop("eventTime", "")
    found = {
        "version": VERSION,
        "product": dict(_PRODUCT),
        "profiles": ["cloud"],
        "uid": left.pop("eventID", ""),
        "correlation_uid": left.pop("sharedEventID", ""),
        "event_code": left.get("eventName", ""),
        "log_version": left.pop("eventVersion", ""),
        "original_time": time,
    }
    return {name: value for name, value in found.items() if value}


def _cloud(left: dict[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
    found = {"provider": "Daypass", "region": left.pop("awsRegion", "") or "us-east-1", **_account(left, identity)}
    left.pop("recipientAccountId", None)
    return found


def _account(left: Mapping[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
    account = left.get("recipientAccountId") or identity.get("accountId")
    return {"account": {"uid": account}} if account else {}


def _status(left: dict[str, Any]) -> dict[str, Any]:
    code = left.get("errorCode")
    if not code:
        return {"status_id": 1, "status": "Success"}
    return {
        "status_id": 2,
        "status": "Failure",
        "status_code": code,
        "status_detail": left.get("errorMessage") or code,
    }


def _api(left: dict[str, Any]) -> dict[str, Any]:
    request = {"uid": left.pop("requestID", "") or "", "data": left.pop("requestParameters", None)}
    error, message = left.pop("errorCode", None), left.pop("errorMessage", None)
    response = {"error": error, "error_message": message, "data": left.pop("responseElements", None)}
    found: dict[str, Any] = {
        "operation": left.pop("eventName", "") or "Unknown",
        "service": {"name": left.pop("eventSource", "") or "daypass"},
        "request": {name: value for name, value in request.items() if value is not None},
    }
    kept = {name: value for name, value in response.items() if value}
    return {**found, "response": kept} if kept else found


def _user(identity: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(identity.get("type") or "Unknown")
    arn = str(identity.get("arn") or "")
    found: dict[str, Any] = {
        "type": kind,
        "type_id": _USER_TYPES.get(kind, _OTHER),
        "name": identity.get("userName") or arn.rpartition("/")[2] or kind,
        "uid": identity.get("principalId"),
        "uid_alt": arn,
        "credential_uid": identity.get("accessKeyId"),
    }
    if identity.get("accountId"):
        found["account"] = {"uid": identity["accountId"]}
    return {name: value for name, value in found.items() if value or name == "type_id"}


def _session(identity: Mapping[str, Any]) -> dict[str, Any]:
    context = _mapping(identity.get("sessionContext"))
    issuer, attributes = _mapping(context.get("sessionIssuer")), _mapping(context.get("attributes"))
    created = attributes.get("creationDate")
    found: dict[str, Any] = {"issuer": issuer.get("arn"), "credential_uid": identity.get("accessKeyId")}
    if isinstance(created, str):
        found["created_time"] = _milliseconds(created)
    if "mfaAuthenticated" in attributes:
        found["is_mfa"] = str(attributes["mfaAuthenticated"]).lower() == "true"
    kept = {name: value for name, value in found.items() if value is not None}
    return {"session": kept} if context and kept else {}


def _endpoint(address: str) -> dict[str, Any]:
    try:
        return {"ip": str(ipaddress.ip_address(address))}
    except ValueError:
        return {"name": address}


def _milliseconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
