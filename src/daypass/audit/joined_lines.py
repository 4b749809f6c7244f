"""The lines of usual events, joined from parts that were encoded before.

Owns the fast way beside lines.py, which encodes all other events. A usual event is that of an authenticated call of the
API that succeeded, whose parameters are absent or already encoded, or that of a person who has signed in. Every part
is cut out of an encoded Event with the same values, so a line has the bytes of the whole event. A part that the caches
lack is encoded in the same way.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from daypass.audit.bounds import encode_json
from daypass.audit.event import AuditRecord, Event, identity_of, to_event
from daypass.authenticate.caller import Caller, root_caller
from daypass.bounded_memory import BoundedMemory
from daypass.policy.authorization_request import PrincipalKind
from daypass.wire.http import HttpRequest

_RECIPIENT = b',"recipientAccountId":'
_LONGEST = 4_096  # bytes of a line, and of encoded parameters
_LONGEST_AGENT, _LONGEST_ADDRESS = 512, 64  # bytes and characters; an event has no more of an address
_MOST_IDENTITIES = 1_024
_LONGEST_FIELDS = 1_024  # characters of the values of fields that are kept
_TEXTS = frozenset({str})

# Values are quoted and their quotes escaped, so these occur once, outside of values.
_ID, _TIME, _ADDRESS, _AGENT = b'"eventID":', b',"eventTime":', b'"sourceIPAddress":', b',"userAgent":'
_REQUEST, _IDENTITY = b'"requestID":', b',"userIdentity":'
_PARAMETERS, _NO_PARAMETERS, _NO_ANSWER = (
    b',"requestParameters":',
    b',"requestParameters":null',
    b',"responseElements":null',
)

_encode = msgspec.json.Encoder().encode
_identities: BoundedMemory[tuple[PrincipalKind, str, str, str, str], bytes] = BoundedMemory(_MOST_IDENTITIES)


def _event(**changed: Any) -> Event:
    request = HttpRequest("POST", b"/", b"", changed.pop("headers", ()), b"", "", secure=False)
    at = datetime.fromtimestamp(changed.pop("second", 0), UTC)
    record = AuditRecord(at, "", request, "", "", "", "", None, None, None)
    return to_event(msgspec.structs.replace(record, **changed))


_HEAD = encode_json(_event()).partition(_ID)[0] + _ID


def join_line(record: AuditRecord, event_id: str) -> bytes | None:
    """Return the line of a usual event, or None for any other.

    Raises UnicodeEncodeError for a lone surrogate.
    """
    caller, encoded = record.caller, record.encoded_parameters
    if record.fault is not None or record.data is not None:
        return None
    sign_in = b""
    if record.sign_in is not None:
        found = _sign_in_part(record.sign_in)
        if found is None:
            return None
        sign_in, encoded = found, encoded or _encode_known(record.parameters)
    elif caller is None:
        return None
    if record.parameters and encoded is None:
        return None
    request = record.request
    agent = request.header(b"user-agent") or b""
    if len(agent) > _LONGEST_AGENT or len(request.peer) > _LONGEST_ADDRESS:
        return None
    line = b"".join(
        (
            _HEAD,
            _encode(event_id),
            _call_part(int(record.at.timestamp()), record.service, record.action, record.region),
            _encode(request.peer),
            _agent_part(agent),
            _encode(record.request_id),
            _identity_part(record, caller),
            _NO_PARAMETERS if encoded is None else _PARAMETERS + encoded,
            record.answer or _NO_ANSWER,
            sign_in,
            b"}\n",
        )
    )
    # Anything else may need escapes, or a cut.
    return line if len(line) <= _LONGEST and line.isascii() and b"\x7f" not in line else None


def encode_parameters(parameters: Mapping[str, Any]) -> bytes | None:
    """Return the parameters of an authenticated call as its event has them.

    Returns None if the mapping is empty, or if they are too long for a usual event or cannot be encoded.
    """
    if not parameters:
        return None
    try:
        encoded = encode_json(_event(caller=root_caller("", ""), parameters=parameters).request_parameters)
    except UnicodeEncodeError:
        return None
    return encoded if len(encoded) <= _LONGEST else None


@lru_cache(maxsize=256)
def _call_part(second: int, service: str, action: str, region: str) -> bytes:
    encoded = encode_json(_event(second=second, service=service, action=action, region=region))
    return _between(encoded, _TIME, _ADDRESS) + _ADDRESS


@lru_cache(maxsize=256)
def _agent_part(agent: bytes) -> bytes:
    encoded = encode_json(_event(headers=((b"user-agent", agent),)))
    return _between(encoded, _AGENT, _REQUEST) + _REQUEST


def _sign_in_part(fields: Mapping[str, str]) -> bytes | None:
    return _encoded_sign_in(tuple(fields.items())) if _are_few(fields) else None


def _encode_known(parameters: Mapping[str, Any] | None) -> bytes | None:
    """Return the encoded parameters of a call by a person, which repeats with each renewal of the credentials."""
    return _encoded_fields(tuple(parameters.items())) if parameters and _are_few(parameters) else None


def _are_few(fields: Mapping[str, Any]) -> bool:
    """Return whether fields may be kept: short ones, and strings alone, since equal numbers may be written apart."""
    values = fields.values()
    return _TEXTS.issuperset(map(type, values)) and len("".join(values)) <= _LONGEST_FIELDS


@lru_cache(maxsize=1_024)
def _encoded_sign_in(fields: tuple[tuple[str, str], ...]) -> bytes:
    whole, plain = _event(sign_in=dict(fields)), _event()
    return encode_json(whole)[len(encode_json(plain)) - 1 : -1]


@lru_cache(maxsize=1_024)
def _encoded_fields(fields: tuple[tuple[str, str], ...]) -> bytes | None:
    return encode_parameters(dict(fields))


def _identity_part(record: AuditRecord, caller: Caller | None) -> bytes:
    if caller is None or caller.session is not None or not caller.access_key_id:
        return _encode_identity(record)  # such callers are many, and make few calls each
    key = (caller.principal.kind, caller.user_id, caller.arn, caller.account, caller.access_key_id)
    return _identities.get(key) or _identities.put(key, _encode_identity(record))


def _encode_identity(record: AuditRecord) -> bytes:
    """Return the caller, and the account whose log has the event."""
    identity = identity_of(record)
    account, encoded = identity.account_id, _IDENTITY + _encode(identity)
    return encoded + _RECIPIENT + _encode(account) if account else encoded


def _between(encoded: bytes, start: bytes, end: bytes) -> bytes:
    return encoded[encoded.index(start) : encoded.index(end)]
