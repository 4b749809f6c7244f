"""The claim that stores the issuing access keys in a web identity token.

Owns its name and sealed format. Only a server with the same sealing keys opens it, and only with the token's own `jti`.
Leaves the decision which tokens are our own to the operation.
"""

from daypass.mint.key_chain import ChainBrokenError, KeyChain, decode_chain, encode_chain
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.mint.sealing_keys import SealingRing
from daypass.ports import Entropy

CLAIM = "daypass_issuing_keys"


def seal_chain(chain: KeyChain, *, token_id: str, sealing_ring: SealingRing, now: int, entropy: Entropy) -> str:
    """Return the value of the claim for the token with this `jti`.

    Raises AccessDenied if the chain is too long.
    """
    return seal(
        Purpose.CHAIN, encode_chain(chain), bound_to=token_id, sealing_ring=sealing_ring, now=now, entropy=entropy
    )


def open_chain(sealed: object, *, token_id: object, sealing_ring: SealingRing) -> KeyChain:
    """Return the chain in a claim, or raise ChainBrokenError.

    Both strings come from a token.
    """
    if not isinstance(sealed, str) or not isinstance(token_id, str):
        raise ChainBrokenError
    try:
        chain, rest = decode_chain(unseal(Purpose.CHAIN, sealed, bound_to=token_id, sealing_ring=sealing_ring))
    except SealBrokenError as error:
        raise ChainBrokenError from error
    if rest or len(chain.times) != len(chain.keys):
        raise ChainBrokenError
    return chain
