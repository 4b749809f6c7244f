"""What is asked of the engine: who wants to do what to which resource, in which context.

Owns the values of a question, and how much there is in one to compare patterns with. Gathering them is
authorize/'s work.
Source: IAM User Guide, "The request context".
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from daypass.policy.wildcard import LONGEST_REMEMBERED

ContextValue = str | tuple[str, ...]
Context = Mapping[str, ContextValue]

MOST_WORK = 50_000_000
"""What one decision may be, in characters of patterns by characters of texts. Beyond it the request is refused."""

LONGEST_VALUE = LONGEST_REMEMBERED
"""Characters of a text, beyond which patterns and variables are not counted with a quick look."""

CALL = 32  # characters that comparing with even the shortest text counts for
_FORGOTTEN = 8  # times the cost of a character in a text too long for the memory of wildcard.py


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
    base64. `affordable` is how many characters of patterns may be compared with the longest of all texts, with
    no closer look; it is found out here, whatever is handed in.
    """

    action: str
    resource: str
    resource_account: str
    principal: Principal
    context: Context
    affordable: int = 0

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "affordable", _affordable(self))


def span(value: ContextValue) -> int:
    """Return for how many characters comparing one pattern with all of a value counts."""
    if isinstance(value, str):
        return _span(len(value))
    return sum([_span(len(text)) for text in value])


def _span(length: int) -> int:
    return length + CALL if length <= LONGEST_VALUE else length * _FORGOTTEN


def _affordable(question: Question) -> int:
    longest = max(len(question.resource), len(question.action))
    try:
        for value in question.context.values():
            length = len(value) if isinstance(value, str) else span(value)
            if length > longest:  # noqa: PLR1730 - every request comes here, and max() costs more than the test
                longest = length
    except Exception:  # noqa: BLE001 - evaluate.py meets the same problem, and closes
        return 0
    return MOST_WORK // (longest + CALL) if longest <= LONGEST_VALUE else 0
