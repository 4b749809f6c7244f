"""Sign-ins of people, and the tokens of their programs, as frozen values.

Owns their fields. Proofs of identity and the last answer of a token family are sealed at rest; secrets are stored as
SHA-256 hashes of random values.
"""

from datetime import datetime
from typing import Literal

from daypass.directory.entities.iam_entities import Entity


class SignIn(Entity, frozen=True, kw_only=True):
    """A proof of identity that a browser submitted. It waits for minutes."""

    id: str
    ends: datetime
    sealed_proof: bytes

    @property
    def proof_name(self) -> str:
        """Return the name that the sealed proof is bound to: this sign-in only."""
        return f"sign-in:{self.id}"


class SignInSession(Entity, frozen=True, kw_only=True):
    """A person's sign-in that lasts.

    - `account` owns the SAML provider or the OpenID Connect client. It is empty for a client from the settings.
    - `provider` is the ARN of the SAML provider, or the key of the OpenID Connect client. `registration` is the unique
      id of the SAML provider, so that a provider that was deleted and created again is another one. For OpenID
      Connect it is the ARN of the provider whose terms accepted the token.
    - `proven_at` is the instant at which the proof was verified.
    - `secret_hash` is the hash of the secret that the browser holds.
    - `peer` and `agent` describe that browser, for lists of sessions.
    """

    id: str
    kind: Literal["saml", "oidc"]
    account: str
    issuer: str
    provider: str
    registration: str
    subject: str
    session_name: str
    proven_at: datetime
    ends: datetime
    secret_hash: bytes
    peer: str = ""
    agent: str = ""


class StoredProof(Entity, frozen=True, kw_only=True):
    """The sealed proof of a sign-in session, with the session's id.

    It is a record of its own: every request reads the session, and few read the proof.
    """

    id: str
    sealed: bytes

    @property
    def proof_name(self) -> str:
        """Return the name that the sealed proof is bound to: this session only."""
        return f"sign-in-session:{self.id}"


class TokenFamily(Entity, frozen=True, kw_only=True):
    """The tokens that grew from one authorization of a program.

    - `kind` is "sso" (SSO OIDC), "login" (`aws login`) or "cli" (`daypass`).
    - The hashes are those of whole tokens. `former_hash` is that of the previous refresh token, which gets the same
      answer until `former_until`; `former_access_hash` that of the previous access token, valid to its own end.
    - `sealed_answer` is the last answer, and `sealed_key` the key of the family's refresh tokens.
    """

    id: str
    account: str
    sign_in: str
    kind: Literal["sso", "login", "cli"]
    client_id: str
    scopes: tuple[str, ...]
    role_arn: str
    provider_arn: str
    dpop_thumbprint: str
    begun: datetime
    access_hash: bytes
    access_ends: datetime
    refresh_hash: bytes
    sealed_key: bytes
    ends: datetime
    former_hash: bytes = b""
    former_until: datetime | None = None
    former_access_hash: bytes = b""
    former_access_ends: datetime | None = None
    sealed_answer: bytes = b""

    @property
    def answer_name(self) -> str:
        """Return the name that the sealed answer is bound to: this family only."""
        return f"token-family:{self.id}"

    @property
    def key_name(self) -> str:
        """Return the name that the sealed key is bound to: this family only."""
        return f"token-family-key:{self.id}"
