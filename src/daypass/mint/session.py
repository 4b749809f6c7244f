"""The content of a session token: all facts that travel with a session.

Owns the value. Leaves sealing to tokens.py, and permissions to authorize/.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec

from daypass.mint.key_chain import KeyChain
from daypass.mint.secret import Secret


class SessionKind(Enum):
    """The kind of a session, which determines whose permissions it has."""

    ROLE = "role"  # AssumeRole, AssumeRoleWithSAML and AssumeRoleWithWebIdentity
    USER = "user"  # GetSessionToken, by a user
    FEDERATED = "federated"  # GetFederationToken
    ROOT = "root"  # GetSessionToken by a root user, and AssumeRoot


class Session(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, kw_only=True):
    """A session. Times are whole seconds since 1970.

    - The fields are sealed in this order. A server refuses a token with an unknown field, which might be a restriction.
    - New fields come last, with a default that means absent. tokens.py lists the fields that this release writes.
    - `issued` is aws:TokenIssueTime; for delegated credentials, the approval.
    """

    kind: SessionKind
    account: str
    principal_id: str  # the unique ID of the role or user, or the account of a root session
    principal_name: str  # the name of the role or user, for the ARN; "" for root
    session_name: str  # the name of the role session or federated user; "" otherwise
    access_key_id: str
    secret: Secret
    issued: int
    expires: int
    issuing_key: str  # the access key that requested the session; "" for an assertion
    policy: str = ""  # the inline session policy
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    mfa_time: int | None = None  # when an MFA code was accepted
    provider: str = ""  # the identity provider, for sessions that an assertion created
    context: Mapping[str, tuple[str, ...]] = {}  # condition keys from the assertion
    chained: bool = False  # issued to another role session
    root_task_policy: str = ""  # the ARN of the task policy of AssumeRoot
    filler: bytes = b""  # makes a token as long as its caller requested
    first_key: str = ""  # the long-term key at the start of a role chain; "" if it is issuing_key
    delegation: str = ""  # the delegation request of an exchange token; such a session has a policy
    issuing_keys: tuple[str, ...] = ()  # the access keys of the key chain, the long-term key first
    issuing_times: tuple[int, ...] = ()  # the time of each key (key_chain.py); empty if all of them are `issued`
    has_all_keys: bool = False  # issuing_keys is complete
    scoped_policies: tuple[str, ...] = ()  # the scope-down policies of GetScopedCredentials, oldest first

    @property
    def has_policies(self) -> bool:
        """Return whether a policy limits this session below its identity."""
        return bool(self.policy or self.policy_arns or self.root_task_policy or self.scoped_policies)

    @property
    def key_chain(self) -> KeyChain:
        """The key chain through which the session was issued."""
        times = self.issuing_times or (self.issued,) * len(self.issuing_keys)
        return KeyChain(self.issuing_keys, times, self.has_all_keys)
