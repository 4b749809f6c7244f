"""The claim that stores the identity behind a web identity token.

Owns its name and sealed format. A session that begins with a token of this server carries the condition keys of the
session that requested the token: otherwise a token would be a way to drop a key that a Deny tests. The claim is sealed,
because the token is for other services. Only a server with the same sealing keys opens it, and only with the token's
own `jti`. Leaves the meaning of the keys to federation/propagation.py.
"""

from collections.abc import Mapping

import msgspec

from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.mint.sealing_keys import SealingRing
from daypass.ports import Entropy

CLAIM = "daypass_propagated_identity"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, tuple[str, ...]]).decode


class OriginBrokenError(Exception):
    """The claim was not sealed by this server for this token."""


def seal_origin(
    keys: Mapping[str, tuple[str, ...]], *, token_id: str, sealing_ring: SealingRing, now: int, entropy: Entropy
) -> dict[str, str]:
    """Return the claim for the token with this `jti`.

    Without keys there is no claim. The keys always fit: the session token that contains them has the same limit.
    """
    if not keys:
        return {}
    payload = _encode(dict(keys))
    sealed = seal(Purpose.ORIGIN, payload, bound_to=token_id, sealing_ring=sealing_ring, now=now, entropy=entropy)
    return {CLAIM: sealed}


def open_origin(sealed: object, *, token_id: object, sealing_ring: SealingRing) -> dict[str, tuple[str, ...]]:
    """Return the keys in a claim, or raise OriginBrokenError.

    Both strings come from a token.
    """
    if not isinstance(sealed, str) or not isinstance(token_id, str):
        raise OriginBrokenError
    try:
        return _decode(unseal(Purpose.ORIGIN, sealed, bound_to=token_id, sealing_ring=sealing_ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OriginBrokenError from error
