"""Exchange tokens, which a partner exchanges for delegated credentials.

Sealed for the partner's account alone. The store has its delegation request, which is checked when the token is
redeemed.
Source: STS API Reference, GetDelegatedAccessToken.
"""

import msgspec

from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.mint.sealing_keys import SealingRing
from daypass.ports import Entropy


class ExchangeToken(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The content of a token: request, and expiry in seconds since 1970."""

    request: str
    expires: int


class ExchangeTokenBrokenError(Exception):
    """The token was not issued by us for this account."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ExchangeToken).decode


def seal_exchange_token(
    token: ExchangeToken, *, account: str, sealing_ring: SealingRing, now: int, entropy: Entropy
) -> str:
    """Return the exchange token for a partner's account."""
    return seal(Purpose.TRADE_IN, _encode(token), bound_to=account, sealing_ring=sealing_ring, now=now, entropy=entropy)


def open_exchange_token(text: str, *, account: str, sealing_ring: SealingRing) -> ExchangeToken:
    """Return the content of a token of this account.

    Raises ExchangeTokenBrokenError if the token is not valid.
    """
    try:
        return _decode(unseal(Purpose.TRADE_IN, text, bound_to=account, sealing_ring=sealing_ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ExchangeTokenBrokenError from error
