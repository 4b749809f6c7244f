"""What a session token says: everything about a session that must travel with it.

Owns the value. Sealing it is tokens.py's work; what it lets the caller do is authorize/'s.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from daypass.mint.key_chain import KeyChain
from daypass.mint.secret import Secret


class SessionKind(Enum):
    """How a session came to be, and so whose permissions it has."""

    ROLE = "role"  # AssumeRole and its federated sisters
    USER = "user"  # GetSessionToken, by a user
    FEDERATED = "federated"  # GetFederationToken
    ROOT = "root"  # GetSessionToken by a root user, and AssumeRoot


class Session(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    """A session. Times are whole seconds since 1970.

    The fields are sealed in this order, and a server that meets one it does not know refuses the token: it
    might be a restriction. New fields come last, with a default that means what their absence meant. tokens.py knows
    which of them this release writes.

    `issued` is what aws:TokenIssueTime says. For delegated credentials it is the moment of the approval.
    """

    kind: SessionKind
    account: str
    principal_id: str  # the role's or user's unique id, or the account of a root session
    principal_name: str  # the role's or user's name, for the ARN; "" for root
    session_name: str  # the role session's or the federated user's name; "" otherwise
    access_key_id: str
    secret: Secret
    issued: int
    expires: int
    issuing_key: str  # the access key that asked for the session; "" when an assertion did
    policy: str = ""  # the inline session policy
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    mfa_time: int | None = None  # when a code was accepted
    provider: str = ""  # the identity provider, for sessions that came from an assertion
    context: Mapping[str, tuple[str, ...]] = {}  # condition keys that the assertion brought
    chained: bool = False  # made by another role session
    root_task_policy: str = ""  # the ARN that AssumeRoot was given
    filler: bytes = b""  # makes a token as long as its caller asked for
    first_key: str = ""  # the long-term key at the start of a chain of sessions; "" where issuing_key is that key
    delegation: str = ""  # the delegation request that an exchange token was for; such a session has a policy
    issuing_keys: tuple[str, ...] = ()  # every access key that the session grew from, the long-term key first
    issuing_times: tuple[int, ...] = ()  # each key's time (key_chain.py); empty where all of them are `issued`
    has_all_keys: bool = False  # no key is missing in issuing_keys

    @property
    def key_chain(self) -> KeyChain:
        """The access keys that the session grew from."""
        times = self.issuing_times or (self.issued,) * len(self.issuing_keys)
        return KeyChain(self.issuing_keys, times, self.has_all_keys)
