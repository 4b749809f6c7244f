"""One CloudTrail-shaped event for each request.

Owns what is written and what is left out: no secret, token, assertion, policy text or code is ever in an event.
Pure. Where events go is sinks.py's work.
Source: AWS CloudTrail User Guide, "CloudTrail record contents".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.policy.question import PrincipalKind

_TYPES: Mapping[PrincipalKind, str] = {
    PrincipalKind.ROOT: "Root",
    PrincipalKind.USER: "IAMUser",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.WEB_IDENTITY: "WebIdentityUser",
    PrincipalKind.SAML: "SAMLUser",
}

# Parameters whose values prove something, or may hold what proves something.
HIDDEN = frozenset(
    {
        "TokenCode",
        "SAMLAssertion",
        "WebIdentityToken",
        "TradeInToken",
        "EncodedMessage",
        "AuthenticationCode1",
        "AuthenticationCode2",
        "Password",
        "OldPassword",
        "NewPassword",
        "AddPrivateKey",
        "PrivateKey",
        "Policy",
        "PolicyDocument",
        "SAMLMetadataDocument",
        "AssumeRolePolicyDocument",
        "PolicyInputList",
        "PermissionsBoundaryPolicyInputList",
        "ResourcePolicy",
    }
)
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Happening:
    """What one request came to. `code` is empty when it was answered."""

    at: datetime
    request_id: str
    service: str
    action: str
    region: str
    source_ip: str
    user_agent: str
    caller: Caller | None
    parameters: Mapping[str, Any] | None
    code: str
    message: str
    detail: str
    access_key_id: str


def to_event(happening: Happening) -> dict[str, Any]:
    """Return the event as a JSON-ready mapping."""
    event: dict[str, Any] = {
        "eventVersion": "1.11",
        "eventTime": happening.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{happening.service or 'sts'}.amazonaws.com",
        "eventName": happening.action,
        "awsRegion": happening.region,
        "sourceIPAddress": happening.source_ip,
        "userAgent": happening.user_agent[:_LONGEST],
        "requestID": happening.request_id,
        "eventType": "AwsApiCall",
        "userIdentity": _identity(happening),
        "requestParameters": _visible(happening.parameters),
    }
    if happening.code:
        event["errorCode"] = happening.code
        event["errorMessage"] = happening.message
    if happening.detail:
        event["additionalEventData"] = {"detail": happening.detail}
    return event


def _identity(happening: Happening) -> dict[str, Any]:
    caller = happening.caller
    if caller is None:
        return {"type": "Unknown", "accessKeyId": happening.access_key_id}
    identity: dict[str, Any] = {
        "type": _TYPES.get(caller.principal.kind, "Unknown"),
        "principalId": caller.user_id,
        "arn": caller.arn,
        "accountId": caller.account,
        "accessKeyId": caller.access_key_id,
    }
    if caller.session is not None and caller.session.source_identity:
        identity["sessionContext"] = {"sourceIdentity": caller.session.source_identity}
    return identity


def _visible(parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not parameters:
        return None
    return {
        name[0].lower() + name[1:]: "HIDDEN_DUE_TO_SECURITY_REASONS" if name in HIDDEN else _short(value)
        for name, value in parameters.items()
    }


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:_LONGEST] + "…"
    if isinstance(value, bytes):
        return "…"
    return value
