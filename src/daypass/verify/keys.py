"""The provider of keys: what it is asked, and what it grants.

Owns the protocol `Keys`, and StaticKeys, a provider with fixed keys. A provider does not give a secret away: it grants
the derived key of one date, region and service. Where that key leaves a process, the provider verifies the signature of
the claim first.
"""

from collections.abc import Callable
from datetime import datetime
from hmac import compare_digest
from typing import Protocol

import msgspec

from daypass.authenticate.sigv4.signing_key import SigningKeys, SigV4SigningKey
from daypass.errors import ExpiredToken, InvalidClientTokenId
from daypass.verify.caller import VerifiedCaller
from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr


class KeyClaim(msgspec.Struct, frozen=True):
    """The claims of a request about its signer. Do not trust any of them yet.

    Scope and time were checked against the service's rules; `date`, `region` and `service` are the scope.
    """

    access_key_id: str
    token: str | None
    date: str
    region: str
    service: str
    string_to_sign: str
    signature: str
    presigned: bool
    signed_at: datetime

    def __repr__(self) -> str:
        return f"<claim of {self.access_key_id} for {self.date}/{self.region}/{self.service}>"

    __rich_repr__ = hidden_rich_repr


class KeyGrant(msgspec.Struct, frozen=True):
    """The signing key of a claim, and the caller that it belongs to.

    The key is valid for the claim's date, region and service only.
    """

    signing_key: SigV4SigningKey
    caller: VerifiedCaller

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class NotLoadedError(Exception):
    """A grant, or another fact, that must be loaded first.

    Call `load` where waiting is allowed, then ask again. It blocks. It raises ServiceUnavailable or Throttling. If the
    key is refused, the next question raises the refusal. `is_new` is whether another machine must be asked about a name
    that it has not confirmed before: invented names are always new, thus limit them for each client.
    """

    def __init__(self, load: Callable[[], None], *, is_new: bool = False) -> None:
        super().__init__("not loaded")
        self.load = load
        self.is_new = is_new


class Keys(Protocol):
    """A provider of signing keys.

    - `find` never blocks.
    - It returns a grant for a key that is valid at `now`: the session has not expired and was not revoked.
    - It raises NotLoadedError if it has to wait for the answer.
    - It raises InvalidClientTokenId if the key is unknown or inactive or the token is not valid for the key, and
      ExpiredToken if the session has expired.
    """

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:
        """Return the grant for a claim."""


class _StaticKey(msgspec.Struct, frozen=True):
    secret: str
    token: str | None
    caller: VerifiedCaller

    def __repr__(self) -> str:
        return "<secret>"

    __rich_repr__ = hidden_rich_repr


class StaticKeys:
    """A provider with fixed keys, for tests and for services with few callers.

    >>> from daypass.verify import StaticKeys, static_caller
    >>> keys = StaticKeys()
    >>> alice = static_caller("111122223333", "alice", access_key_id="AKIDALICE")
    >>> keys.add(alice, secret="correct-horse-battery-staple")
    """

    def __init__(self) -> None:
        self._keys: dict[str, _StaticKey] = {}
        self._signing_keys = SigningKeys()

    def __repr__(self) -> str:
        return f"<{len(self._keys)} static keys>"

    def add(self, caller: VerifiedCaller, *, secret: str, token: str | None = None) -> None:
        """Add the key `caller.access_key_id`.

        With a `token`, requests must contain it: the key belongs to a session, which ends at `caller.expires`. A key
        that was added before under this id is replaced.
        """
        self._keys[caller.access_key_id] = _StaticKey(secret, token, caller)

    def remove(self, access_key_id: str) -> None:
        """Remove a key, from the next request on.

        It is not an error if the key does not exist.
        """
        self._keys.pop(access_key_id, None)

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:
        """Return the grant for a claim."""
        key = self._keys.get(claim.access_key_id)
        if key is None:
            raise InvalidClientTokenId("The access key does not exist.")
        if (key.token is None) != (claim.token is None) or not compare_digest(
            (key.token or "").encode(), (claim.token or "").encode()
        ):
            raise InvalidClientTokenId("The session token does not belong to the access key.")
        if key.caller.expires is not None and now.timestamp() >= key.caller.expires:
            raise ExpiredToken("The session has expired.")
        signing_key = self._signing_keys.key_for(key.secret, claim.date, claim.region, claim.service)
        return KeyGrant(signing_key, key.caller)
