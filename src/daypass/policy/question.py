"""What is asked of the engine: who wants to do what to which resource, in which context.

Owns the values of a question. Gathering them is authorize/'s work.
Source: IAM User Guide, "The request context".
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

ContextValue = str | tuple[str, ...]
Context = Mapping[str, ContextValue]


class PrincipalKind(Enum):
    """What sort of caller asks."""

    ROOT = "Root"
    USER = "User"
    ROLE_SESSION = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    WEB_IDENTITY = "WebIdentityUser"
    SAML = "SAMLUser"
    SERVICE = "AWSService"
    ANONYMOUS = "Anonymous"


class Principal(msgspec.Struct, frozen=True):
    """The caller, by every name that a policy may call it.

    Names that a kind of caller does not have are empty, and an empty name never matches. One that is `delegated` speaks
    in another's name: its session policies limit it whatever a resource policy says of that name.
    """

    kind: PrincipalKind
    account: str
    arn: str
    issuer_arn: str = ""
    unique_id: str = ""
    session_id: str = ""
    federated: str = ""
    service: str = ""
    delegated: bool = False


class Question(msgspec.Struct, frozen=True):
    """One request to judge.

    Context keys are lower case. A text is a single-valued key, a tuple a multivalued one. All values are
    text: booleans "true" and "false", numbers in decimal, dates ISO 8601 in UTC or epoch seconds, bytes
    base64.
    """

    action: str
    resource: str
    resource_account: str
    principal: Principal
    context: Context
