"""One CloudTrail-shaped event for each request.

Owns what is written and what is left out: no secret, token, assertion, policy text or code is ever in an event.
Pure. Where events go is sinks.py's work.
Source: AWS CloudTrail User Guide, "CloudTrail record contents".
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.errors import Fault
from daypass.policy.question import PrincipalKind
from daypass.wire.http import HttpRequest

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
        "OrderedOrganizationPolicyInputList",
        "PermissionsBoundaryPolicyInputList",
        "ResourcePolicy",
    }
)
_LONGEST = 256
_LONGEST_DETAIL = 1024
_MOST_ITEMS = 50  # of a list, as many as a session has tags; CloudTrail cuts long records too
_MOST_INNER_ITEMS = 10
_CUT = "…"
_SOURCES = {"sts": "sts.amazonaws.com", "iam": "iam.amazonaws.com"}


class Happening(msgspec.Struct, frozen=True):
    """What one request came to. `fault` is None when it was answered."""

    at: datetime
    request_id: str
    request: HttpRequest
    service: str
    action: str
    region: str
    access_key_id: str
    caller: Caller | None
    parameters: Mapping[str, Any] | None
    fault: Fault | None

    @property
    def code(self) -> str:
        """The error code, empty when the request was answered."""
        return "" if self.fault is None else self.fault.code


class UserIdentity(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who asked."""

    type: str
    principal_id: str = ""
    arn: str = ""
    account_id: str = ""
    access_key_id: str = ""
    session_context: Mapping[str, str] | None = None


class Event(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The record, with CloudTrail's names."""

    event_time: datetime
    event_source: str
    event_name: str
    aws_region: str
    source_i_p_address: str = msgspec.field(name="sourceIPAddress")
    user_agent: str
    request_i_d: str = msgspec.field(name="requestID")
    user_identity: UserIdentity
    event_version: str = "1.11"
    event_type: str = "AwsApiCall"
    request_parameters: Mapping[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None
    additional_event_data: Mapping[str, str] | None = None


def to_event(happening: Happening) -> Event:
    """Return the event of a request."""
    fault, request = happening.fault, happening.request
    detail = "" if fault is None else fault.detail[:_LONGEST_DETAIL]
    return Event(
        event_time=happening.at.replace(microsecond=0),
        event_source=_SOURCES.get(happening.service, "sts.amazonaws.com"),
        event_name=happening.action,
        aws_region=happening.region,
        source_i_p_address=request.peer,
        user_agent=(request.header(b"user-agent") or b"")[:_LONGEST].decode("latin-1"),
        request_i_d=happening.request_id,
        user_identity=_identity(happening),
        request_parameters=_visible(happening.parameters),
        error_code=None if fault is None else fault.code,
        error_message=None if fault is None else fault.message[:_LONGEST],
        additional_event_data={"detail": detail} if detail else None,
    )


def _identity(happening: Happening) -> UserIdentity:
    caller = happening.caller
    if caller is None:
        return UserIdentity("Unknown", access_key_id=happening.access_key_id[:_LONGEST])
    source = "" if caller.session is None else caller.session.source_identity
    return UserIdentity(
        _TYPES.get(caller.principal.kind, "Unknown"),
        caller.user_id,
        caller.arn,
        caller.account,
        caller.access_key_id,
        {"sourceIdentity": source} if source else None,
    )


def _visible(parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not parameters:
        return None
    return {
        name[0].lower() + name[1:]: "HIDDEN_DUE_TO_SECURITY_REASONS" if name in HIDDEN else _short(value)
        for name, value in parameters.items()
    }


def _short(value: Any, most: int = _MOST_ITEMS) -> Any:
    """Return a value of bounded size, so that no call can fill the disk with its own record."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else value[:_LONGEST] + _CUT
    if isinstance(value, bytes):
        return _CUT
    if isinstance(value, list | tuple):
        kept = [_short(one, _MOST_INNER_ITEMS) for one in value[:most]]
        return kept if len(value) <= most else [*kept, _CUT]
    if isinstance(value, Mapping):
        return {_short(name): _short(one, _MOST_INNER_ITEMS) for name, one in islice(value.items(), most)}
    return value
