"""The ID tokens of `aws login`, which name the role session.

Owns their claims. The AWS CLI names its profile after `sub`, and takes the account from it, without a check of the
signature; other clients find the keys at `<public URL>/issuer/sign-in/.well-known/jwks.json`. The keys are encrypted
under the master key and rotate like those of other issuers (directory/outbound.py).

A token ends with the credentials of its role session, and contains their key chain, sealed, as the tokens of
GetWebIdentityToken do: an account may trust this issuer, and a revocation of the sign-in also ends the sessions that
began with the token. For the same reason it contains the propagated identity of the role session, sealed.

Source: OpenID Connect Core 1.0, section 2; AWS CLI 2.36, `awscli/customizations/login/utils.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from daypass.directory.outbound import SIGN_IN, ensure_server_issuer, has_issuer, issuer_url, load_issuer_rings
from daypass.mint.chain_claim import CLAIM, seal_chain
from daypass.mint.key_chain import KeyChain
from daypass.mint.origin_claim import seal_origin
from daypass.mint.web_identity import Algorithm
from daypass.operations.request_context import RequestContext


def sign_id_token(  # noqa: PLR0913 - the facts about the role session
    session_arn: str,
    client_id: str,
    ctx: RequestContext,
    *,
    signed_in: datetime,
    seconds: int,
    chain: KeyChain,
    origin: Mapping[str, tuple[str, ...]],
) -> str:
    """Return the ID token of a role session.

    `seconds` is the remaining time of the role session, `chain` has the sign-in and its access key, and `origin` the
    condition keys of its propagated identity. The first token of a store creates the keys: it raises WouldBlockError on
    the event loop.
    """
    now = int(ctx.now.timestamp())
    if not ctx.views.get(has_issuer, SIGN_IN):
        with ctx.new_transaction() as writer:
            ensure_server_issuer(writer, SIGN_IN, now=now, vault=ctx.vault)
    token_id = str(UUID(bytes=ctx.entropy(16), version=4))
    claims = {
        "iss": issuer_url(ctx.settings.public_url, SIGN_IN),
        "sub": session_arn,
        "aud": client_id,
        "iat": now,
        "exp": now + seconds,
        "jti": token_id,
        "auth_time": int(signed_in.timestamp()),
        CLAIM: seal_chain(chain, token_id=token_id, sealing_ring=ctx.sealing_ring, now=now, entropy=ctx.entropy),
        **seal_origin(origin, token_id=token_id, sealing_ring=ctx.sealing_ring, now=now, entropy=ctx.entropy),
    }
    return ctx.views.get(load_issuer_rings, SIGN_IN, ctx.vault).sign(Algorithm.ES384, claims, now=now)
