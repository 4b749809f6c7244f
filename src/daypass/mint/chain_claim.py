"""The claim by which our own web identity tokens remember the access keys behind them.

Owns the claim's name and its sealed form. A relying party can neither read it nor make one; only a server with the same
sealing keys opens it, and only beside the token's own `jti`. Which tokens are our own is the operation's question.
"""

from daypass.mint.key_chain import ChainBrokenError, KeyChain, decode_chain, encode_chain
from daypass.mint.keyring import SealingRing
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.ports import Entropy

CLAIM = "daypass_issuing_keys"


def seal_chain(chain: KeyChain, *, token_id: str, ring: SealingRing, now: int, entropy: Entropy) -> str:
    """Return the value of the claim for the token with this `jti`. Raises AccessDenied if the chain is too long."""
    return seal(Purpose.CHAIN, encode_chain(chain), bound_to=token_id, ring=ring, now=now, entropy=entropy)


def open_chain(sealed: object, *, token_id: object, ring: SealingRing) -> KeyChain:
    """Return the chain that a claim holds, or raise ChainBrokenError. Both arguments come from a token."""
    if not isinstance(sealed, str) or not isinstance(token_id, str):
        raise ChainBrokenError
    try:
        chain, rest = decode_chain(unseal(Purpose.CHAIN, sealed, bound_to=token_id, ring=ring))
    except SealBrokenError as error:
        raise ChainBrokenError from error
    if rest or len(chain.times) != len(chain.keys):
        raise ChainBrokenError
    return chain
