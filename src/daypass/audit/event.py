"""One CloudTrail-shaped event for each request.

Owns its content, never secrets, tokens, assertions, policy documents or codes. Pure. sinks.py writes events.
Source: AWS CloudTrail User Guide, "CloudTrail record contents".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from daypass.audit.bounds import Bounds, cut_text, cut_value
from daypass.audit.response_elements import decode_answer
from daypass.audit.user_identity import UserIdentity, identity_of_caller, identity_of_verified
from daypass.authenticate.caller import Caller
from daypass.errors import Fault
from daypass.verify.caller import VerifiedCaller
from daypass.wire.http import HttpRequest

# Parameters that prove an identity, or may contain a proof.
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
_LONGEST_AGENT = 256  # bytes as written, like all that follow
_LONGEST_KEY_ID = 128  # AWS: at most 128 characters
_LONGEST_ADDRESS = 64
_LONGEST_MESSAGE, _LONGEST_DETAIL = 1_024, 2_048
_SHORT_MESSAGE, _SHORT_DETAIL = 512, 1_024
_MESSAGE_CHARACTERS, _DETAIL_CHARACTERS = 256, 1_024
# 50 items, the maximum number of session tags. CloudTrail truncates long records too.
_PROVEN = Bounds(characters=256, text_bytes=1_024, items=50, inner_items=10)
# Anyone can cause the event of a refused unauthenticated call, so it is short.
_UNPROVEN = Bounds(characters=256, text_bytes=256, items=10, inner_items=0)
# A key has at most 1,024 bytes, and its ARN must be whole for a search.
_OF_DATA = Bounds(characters=2_048, text_bytes=8_192, items=50, inner_items=10)
EVENT_VERSION = "1.11"
_PLAIN = frozenset({int, str})
_READS = ("Get", "List", "Simulate")
_SIGN_INS = ("SignIn", "SignOut", "Handover")
_SOURCES = {
    "sts": "sts.amazonaws.com",
    "iam": "iam.amazonaws.com",
    "s3": "s3.amazonaws.com",
    "sso": "sso.amazonaws.com",
    "sso-oidc": "sso.amazonaws.com",
    "signin": "signin.amazonaws.com",
    "daypass": "daypass",
}


class DataEvent(msgspec.Struct, frozen=True):
    """What the event of a request for data has beside that of an API call.

    `caller` is the verified caller, or None. `resources` are the members of CloudTrail's list.
    """

    caller: VerifiedCaller | None
    read_only: bool
    resources: tuple[Mapping[str, str], ...] = ()
    additional: Mapping[str, Any] = MappingProxyType({})
    tls: Mapping[str, str] | None = None
    account: str = ""


class AuditRecord(msgspec.Struct, frozen=True):
    """The outcome of one request. `fault` is None for a success.

    `data` is set for a request to a resource server. Its caller is there, and `caller` is None. `sign_in` has the
    members of the sign-in session that the caller used, in additionalEventData, and the trace of the request.
    `encoded_parameters` is the result of joined_lines.encode_parameters for `parameters`, if that is known. `answer` is
    the result of response_elements.encode_answer for a call that issued or created something. `identity` names the
    person of a call that does not have a caller, because a sign-in proves it.
    """

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
    data: DataEvent | None = None
    sign_in: Mapping[str, str] | None = None
    encoded_parameters: bytes | None = None
    answer: bytes | None = None
    identity: UserIdentity | None = None

    @property
    def is_proven(self) -> bool:
        """Return whether the caller was authenticated."""
        if self.data is not None:
            # Anyone can send an anonymous request.
            return self.data.caller is not None and not self.data.caller.anonymous
        return self.caller is not None or self.identity is not None

    @property
    def code(self) -> str:
        """The error code, or "" for a success."""
        return "" if self.fault is None else self.fault.code

    @property
    def is_unproven_refusal(self) -> bool:
        """Return whether the request was refused before authentication.

        Anyone can cause such a refusal.
        """
        return self.fault is not None and not self.is_proven


class Event(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The record, with CloudTrail's names.

    CloudTrail always writes the members without a default, and writes null for an absent request or answer. UNSET
    leaves a member out.
    """

    event_version: str
    event_type: str
    event_i_d: str = msgspec.field(name="eventID")
    event_time: datetime
    event_source: str
    event_name: str
    aws_region: str
    read_only: bool
    management_event: bool
    event_category: str
    source_i_p_address: str = msgspec.field(name="sourceIPAddress")
    user_agent: str
    request_i_d: str = msgspec.field(name="requestID")
    user_identity: UserIdentity
    recipient_account_id: str | msgspec.UnsetType = msgspec.UNSET
    request_parameters: Mapping[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    response_elements: Any = msgspec.UNSET
    resources: Any = None
    shared_event_i_d: Any = msgspec.field(default=None, name="sharedEventID")
    additional_event_data: Mapping[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None
    tls_details: Mapping[str, str] | None = None


@lru_cache(maxsize=1_024)  # the names are those of the operations, and of our own events
def is_read(service: str, action: str) -> bool:
    """Return whether CloudTrail counts an action as a read.

    It does so for every action of STS: they change no resource, although they issue credentials.
    """
    return action.startswith(_READS) or (service == "sts" and not action.endswith(_SIGN_INS))


def to_event(record: AuditRecord, event_id: str = "") -> Event:
    """Return the event of a request.

    Raises UnicodeEncodeError if the caller sent a lone surrogate.
    """
    fault, request = record.fault, record.request
    is_short = record.is_unproven_refusal
    data, identity, answer = record.data, identity_of(record), decode_answer(record.answer)
    # Positional arguments, in the order of the class: this runs for every request, and keyword arguments cost a fifth
    # of it.
    event = Event(
        EVENT_VERSION,
        "AwsApiCall",
        event_id,
        _second(int(record.at.timestamp())),
        _SOURCES.get(record.service, "sts.amazonaws.com"),
        record.action,
        record.region,
        is_read(record.service, record.action) if data is None else data.read_only,
        data is None,
        "Management" if data is None else "Data",
        request.peer[:_LONGEST_ADDRESS],
        _agent_text((request.header(b"user-agent") or b"")[:_LONGEST_AGENT]),
        record.request_id,
        identity,
        (identity.account_id if data is None else data.account) or msgspec.UNSET,
        _visible(record.parameters, _UNPROVEN if is_short else _PROVEN) if record.parameters else None,
        answer.response_elements,
        answer.resources,
        answer.shared_event_i_d,
    )
    if record.sign_in is not None:
        event = msgspec.structs.replace(event, additional_event_data=_cut_fields(record.sign_in, _PROVEN))
    if data is not None:
        event = _with_data(event, data, _UNPROVEN if is_short else _OF_DATA)
    return event if fault is None else _refused(event, fault, is_short=is_short)


def _with_data(event: Event, data: DataEvent, bounds: Bounds) -> Event:
    return msgspec.structs.replace(
        event,
        additional_event_data=_cut_additional(data.additional, bounds) or None,
        resources=tuple([_cut_fields(each, bounds) for each in data.resources]) or None,
        tls_details=None if data.tls is None else _cut_fields(data.tls, bounds),
    )


def _cut_additional(fields: Mapping[str, Any], bounds: Bounds) -> Mapping[str, Any]:
    found: Mapping[str, Any] = dict(fields) if _are_short(fields, bounds) else cut_value(fields, bounds)
    return found


def _cut_fields(fields: Mapping[str, str], bounds: Bounds) -> dict[str, str]:
    if _are_short(fields, bounds):
        return dict(fields)
    return {name: cut_text(value, bounds.text_bytes) for name, value in fields.items()}


def _are_short(fields: Mapping[str, Any], bounds: Bounds) -> bool:
    """Return whether no field is cut for sure, without a look at each of them."""
    values = fields.values()
    if len(fields) > bounds.items or not _PLAIN.issuperset(map(type, values)):
        return False
    return max(map(len, (*fields, *map(str, values))), default=0) <= bounds.uncut


# Most requests share these values, so they are cached. Both caches are small for any input.
@lru_cache(maxsize=256)
def _agent_text(agent: bytes) -> str:
    return cut_text(agent.decode("latin-1"), _LONGEST_AGENT)


@lru_cache(maxsize=8)
def _second(since_1970: int) -> datetime:
    return datetime.fromtimestamp(since_1970, UTC)


def _refused(event: Event, fault: Fault, *, is_short: bool) -> Event:
    message = cut_text(fault.message[:_MESSAGE_CHARACTERS], _SHORT_MESSAGE if is_short else _LONGEST_MESSAGE)
    detail = cut_text(fault.detail[:_DETAIL_CHARACTERS], _SHORT_DETAIL if is_short else _LONGEST_DETAIL)
    return msgspec.structs.replace(
        event,
        error_code=fault.code,
        error_message=message,
        additional_event_data={**(event.additional_event_data or {}), "detail": detail}
        if detail
        else event.additional_event_data,
    )


def identity_of(record: AuditRecord) -> UserIdentity:
    """Return the caller of a request, or the person behind it."""
    if record.data is not None and record.data.caller is not None:
        return identity_of_verified(record.data.caller)
    caller = record.caller
    if caller is not None:
        return identity_of_caller(caller)
    if record.identity is not None:
        return record.identity
    return UserIdentity("Unknown", access_key_id=cut_text(record.access_key_id, _LONGEST_KEY_ID))


def _visible(parameters: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    visible: dict[str, Any] = {}
    uncut = bounds.uncut
    for name, value in parameters.items():
        if name in HIDDEN:
            shown = "HIDDEN_DUE_TO_SECURITY_REASONS"
        elif value.__class__ is str and len(value) <= uncut:  # nearly always true
            shown = value
        else:
            shown = cut_value(value, bounds)
        visible[name[0].lower() + name[1:]] = shown
    return visible
