"""The provider of keys: what it is asked, and what it grants.

Owns the protocol `Keys`. A provider never gives a secret away: it grants the derived key of one date, region and
service, and only after the signature of the claim was verified with it, where that key leaves a process.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec

from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.verify.caller import VerifiedCaller


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


class KeyGrant(msgspec.Struct, frozen=True):
    """The signing key of a claim, and the caller that it belongs to.

    The key is valid for the claim's date, region and service only.
    """

    signing_key: SigV4SigningKey
    caller: VerifiedCaller


class NotLoadedError(Exception):
    """A grant, or another fact, that must be loaded first.

    Call `load` where waiting is allowed, then ask again. It blocks, and it may raise a Fault.
    """

    def __init__(self, load: Callable[[], None]) -> None:
        super().__init__("not loaded")
        self.load = load


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
