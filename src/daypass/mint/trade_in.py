"""Exchange tokens: what a partner trades in for the credentials that somebody delegated.

Owns the token. It is sealed for the partner's account alone; which request it is for, and whether that still stands, is
looked up when it is redeemed.
Source: STS API Reference, GetDelegatedAccessToken.
"""

import msgspec

from daypass.mint.keyring import SealingRing
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.ports import Entropy


class TradeIn(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a token says: the request it is for, and when it ends in whole seconds since 1970."""

    request: str
    expires: int


class TradeInBrokenError(Exception):
    """The token is not one that we made for this account."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TradeIn).decode


def seal_trade_in(token: TradeIn, *, account: str, ring: SealingRing, now: int, entropy: Entropy) -> str:
    """Return the token for a partner's account."""
    return seal(Purpose.TRADE_IN, _encode(token), bound_to=account, ring=ring, now=now, entropy=entropy)


def open_trade_in(text: str, *, account: str, ring: SealingRing) -> TradeIn:
    """Return what a token of this account says, or raise TradeInBrokenError."""
    try:
        return _decode(unseal(Purpose.TRADE_IN, text, bound_to=account, ring=ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TradeInBrokenError from error
