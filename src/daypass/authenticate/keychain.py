"""Caches of a signature check: secrets, session tokens, signing keys.

Owns three bounded caches in the process. An entry depends on its cache key only, so it cannot be stale: a changed
access key has another ciphertext, another session another token. A session counts only for the ring of sealing keys
that opened its token: the next ring may lack the key. Decisions are not cached.
"""

from daypass.authenticate.sigv4.signing_key import SigningKeys
from daypass.bounded_memory import BoundedMemory
from daypass.directory.entities.iam_entities import AccessKey
from daypass.directory.secret_box import SecretBox
from daypass.mint.sealing_keys import SealingRing
from daypass.mint.session import Session
from daypass.mint.tokens import open_session

_CAPACITY = 8192
_SESSIONS = 2048  # of at most 8 KB of token each


class Keychain:
    """Decrypts secrets and session tokens, and caches the results."""

    def __init__(self, vault: SecretBox, capacity: int = _CAPACITY) -> None:
        self._vault = vault
        self._secrets: BoundedMemory[bytes, str] = BoundedMemory(capacity)
        self._sessions: BoundedMemory[tuple[str, str], tuple[SealingRing, Session]]
        self._sessions = BoundedMemory(min(capacity, _SESSIONS))
        self._signing_keys = SigningKeys(capacity)
        self.signing_key = self._signing_keys.key_for  # bound once: signature checks call it for every request

    def __repr__(self) -> str:
        return "<secret>"

    def secret_of(self, key: AccessKey) -> str:
        """Return the secret access key of a stored key."""
        known = self._secrets.get(key.sealed_secret)
        if known is not None:
            return known
        opened = self._vault.decrypt(key.sealed_secret, bound_to=key.id).decode()
        return self._secrets.put(key.sealed_secret, opened)

    def session_of(self, token: str, access_key_id: str, sealing_ring: SealingRing) -> Session:
        """Return the session in a token, or raise InvalidClientTokenId."""
        known = self._sessions.get((token, access_key_id))
        if known is not None and known[0] is sealing_ring:
            return known[1]
        session = open_session(token, access_key_id=access_key_id, sealing_ring=sealing_ring)
        self._sessions.put((token, access_key_id), (sealing_ring, session))
        return session
