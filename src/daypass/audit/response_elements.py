"""The `responseElements` of an event: what a call issued or created.

Owns which members of an answer an event shows: the listed ones alone. So a secret, a token, a code or a document never
gets there, not even one of an action that does not exist yet. Pure.
Source: IAM User Guide, "Logging IAM and AWS STS API calls with AWS CloudTrail". CloudTrail shows session tokens, and
this server does not.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from daypass.audit.bounds import Bounds, cut_value, encode_json

# As for parameters: a member is short, and an answer to a call that creates something has few of them.
_BOUNDS = Bounds(characters=1_024, text_bytes=2_048, items=50, inner_items=50)
_UNCUT = _BOUNDS.uncut
_ELEMENTS, _EMPTY = b',"responseElements":', b"{}"
_NULL = _ELEMENTS + b"null"
_PLAIN = frozenset({str, int, float, bool, datetime})
_ROLE_TYPE = "AWS::IAM::Role"

# The plain members that are shown, with the names of AWS's answers in CloudTrail's spelling.
SHOWN = frozenset(
    {
        "accessKeyId", "account", "arn", "assumedPrincipal", "assumedRoleId", "attachmentCount", "audience",
        "certificateId", "clientId", "clientIdIssuedAt", "clientSecretExpiresAt", "createDate", "defaultVersionId",
        "delegationRequestId", "deletionTaskId", "description", "enableDate", "enabledFeatures", "expiration",
        "expirationDate", "expiresIn", "federatedProviderArn", "federatedUserId", "fingerprint", "groupId",
        "groupName", "instanceProfileId", "instanceProfileName", "interval", "isAttachable", "isDefaultVersion",
        "issuer", "issuerIdentifier", "jobId", "key", "maxSessionDuration", "maxSigninSessionDuration",
        "nameQualifier", "openIDConnectProviderArn", "organizationId", "packedPolicySize", "passwordResetRequired",
        "path", "permissionsBoundaryArn", "permissionsBoundaryType", "permissionsBoundaryUsageCount", "policyId",
        "policyName", "provider", "region", "roleId", "roleName", "sAMLProviderArn", "sSHPublicKeyId",
        "scopedPoliciesCount", "scopedSessionId", "serialNumber", "serverCertificateId", "serverCertificateName",
        "serviceName", "serviceSpecificCredentialId", "serviceUserName", "sourceIdentity", "state", "status", "subject",
        "subjectFromWebIdentityToken", "subjectType", "templateArn", "templateMinorVersion", "updateDate",
        "uploadDate", "userId", "userName", "value", "verificationUri", "versionId",
    }
)  # fmt: skip


# By the names of AWS's answers, and by those of the JSON services.
_NAMES = {name: name for name in SHOWN} | {name[0].upper() + name[1:]: name for name in SHOWN}


class NamedRole(Protocol):
    """The role of a call that takes one."""

    @property
    def account(self) -> str:
        """The account of the role."""
        ...

    @property
    def arn(self) -> str:
        """The ARN with its path."""
        ...


class EventAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The members of an event that describe an answer."""

    response_elements: Any = None
    resources: Any = None
    shared_event_i_d: Any = msgspec.field(default=None, name="sharedEventID")


_decode = msgspec.json.Decoder(EventAnswer).decode


def encode_answer(
    result: Mapping[str, Any], role: NamedRole | None = None, account: str = "", shared: str = ""
) -> bytes:
    """Return the members of an event for an answer, each after a comma.

    A call that takes a role of another account than the caller's has a shared id, as CloudTrail's two events of it
    have. Raises UnicodeEncodeError for a lone surrogate.
    """
    written = encode_json(elements_of(result))
    written = _ELEMENTS + written if len(written) > len(_EMPTY) else _NULL
    if role is None:
        return written
    written += _resources(role.account, role.arn)
    return written + b',"sharedEventID":' + encode_json(shared) if account not in {"", role.account} else written


@lru_cache(maxsize=1_024)
def _resources(account: str, arn: str) -> bytes:
    return b',"resources":' + encode_json([{"accountId": account, "type": _ROLE_TYPE, "ARN": arn}])


def decode_answer(written: bytes | None) -> EventAnswer:
    """Return the members that `encode_answer` has written."""
    return EventAnswer() if written is None else _decode(b"{" + written[1:] + b"}")


def elements_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shown members of an answer, with CloudTrail's names."""
    shown: dict[str, Any] = {}
    for name, value in result.items():
        kind = value.__class__
        if kind is dict or kind is list or kind is tuple:
            found = _inner(name, value)
            if found:
                shown[name[0].lower() + name[1:]] = found
        elif kind in _PLAIN and name in _NAMES:
            shown[_NAMES[name]] = value if kind is not str or len(value) <= _UNCUT else cut_value(value, _BOUNDS)
    return shown


def _inner(name: str, value: Any) -> Any:
    if name == "Credentials":  # nearly always
        return {"accessKeyId": value["AccessKeyId"], "expiration": value["Expiration"]}
    if isinstance(value, Mapping):
        return elements_of(value)
    found = [_inner(name, each) if isinstance(each, Mapping) else _plain(name, each) for each in value[: _BOUNDS.items]]
    return [each for each in found if each]


def _plain(name: str, value: Any) -> Any:
    return cut_value(value, _BOUNDS) if name in _NAMES and isinstance(value, str) else None
