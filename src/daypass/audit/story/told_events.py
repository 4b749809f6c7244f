"""The part of an audit event that a story needs, and its links.

Owns how an event names the keys that it issued, the credentials that it was called with, and the sign-in behind it.
Reads the events of every version: older ones lack some members. Pure.
"""

from typing import Any

import msgspec

# The members of an answer that contain a key. CloudTrail has the first and the last.
_ISSUING = ("credentials", "roleCredentials", "accessToken", "accessKey")
SIGN_IN_EVENTS = frozenset({"SAMLSignIn", "OIDCSignIn"})
SIGN_IN_PREFIX = "si-"


class ToldContext(msgspec.Struct, rename="camel"):
    """The session context of a caller."""

    issuing_keys: list[str] = []


class ToldCaller(msgspec.Struct, rename="camel"):
    """The caller in an event."""

    type: str = ""
    principal_id: str = ""
    arn: str = ""
    account_id: str = ""
    access_key_id: str = ""
    user_name: str = ""
    identity_provider: str = ""
    session_context: ToldContext | None = None

    @property
    def name(self) -> str:
        """The person or principal, as people name it."""
        if self.identity_provider:
            return f"{self.user_name} of {self.identity_provider}"
        return self.arn or self.principal_id or self.type


class ToldEvent(msgspec.Struct, rename="camel"):
    """One event. Callers chose many of its strings."""

    event_name: str
    event_time: str
    event_source: str = ""
    event_id: str = msgspec.field(default="", name="eventID")
    request_id: str = msgspec.field(default="", name="requestID")
    source: str = msgspec.field(default="", name="sourceIPAddress")
    user_agent: str = ""
    error_code: str | None = ""
    user_identity: ToldCaller = msgspec.field(default_factory=ToldCaller)
    request_parameters: dict[str, Any] | None = None
    response_elements: dict[str, Any] | None = None
    additional_event_data: dict[str, Any] | None = None

    @property
    def action(self) -> str:
        """The action with its service, such as `s3:GetObject`."""
        return f"{self.event_source.partition('.')[0]}:{self.event_name}"

    @property
    def issued(self) -> dict[str, Any]:
        """The members of the issued key, or an empty mapping."""
        for name in _ISSUING:
            found = (self.response_elements or {}).get(name)
            if isinstance(found, dict) and isinstance(found.get("accessKeyId"), str):
                return found
        return {}

    @property
    def issued_key(self) -> str:
        """The access key ID that the event issued, or ""."""
        return str(self.issued.get("accessKeyId", ""))

    @property
    def sign_in(self) -> str:
        """The ID of the sign-in, or ""."""
        return text_in(self.additional_event_data, "SignInId")

    @property
    def role(self) -> str:
        """The ARN of the role that the event took, or ""."""
        return text_in(self.request_parameters, "roleArn")

    @property
    def session_arn(self) -> str:
        """The ARN of the session that the event issued, or ""."""
        found = (self.response_elements or {}).get("assumedRoleUser")
        return text_in(found, "arn") if isinstance(found, dict) else ""

    def parameter(self, name: str) -> str:
        """Return a string among the parameters, or ""."""
        return text_in(self.request_parameters, name)

    def origins(self) -> list[str]:
        """Return the keys and sign-ins behind the issued key, oldest first."""
        caller, context = self.user_identity, self.user_identity.session_context
        found = [*(context.issuing_keys if context is not None else []), caller.access_key_id]
        if self.sign_in:
            found.insert(0, self.sign_in)
        return list(dict.fromkeys(each for each in found if each))


_decode = msgspec.json.Decoder(ToldEvent).decode


def read_event(line: bytes) -> ToldEvent | None:
    """Return the event of a line, or None if the line is not an event."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def text_in(values: dict[str, Any] | None, name: str) -> str:
    """Return a string of a mapping, or ""."""
    found = (values or {}).get(name, "")
    return found if isinstance(found, str) else ""
