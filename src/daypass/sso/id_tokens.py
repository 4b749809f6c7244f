"""The ID tokens of `aws login`, which name the role session.

Owns their claims. The AWS CLI names its profile after `sub`, and takes the account from it, without a check of the
signature; other clients find the keys at `<public URL>/issuer/sign-in/.well-known/jwks.json`. The keys are encrypted
under the master key and rotate like those of other issuers (directory/outbound.py).
Source: OpenID Connect Core 1.0, section 2; AWS CLI 2.36, `awscli/customizations/login/utils.py`.
"""

from datetime import datetime

from daypass.directory.outbound import SIGN_IN, ensure_server_issuer, has_issuer, issuer_url, load_issuer_rings
from daypass.mint.web_identity import Algorithm
from daypass.operations.request_context import RequestContext

LIFETIME = 900  # seconds, as long as the credentials


def sign_id_token(session_arn: str, client_id: str, ctx: RequestContext, *, signed_in: datetime) -> str:
    """Return the ID token of a role session.

    The first token of a store creates the keys: it raises WouldBlockError on the event loop.
    """
    now = int(ctx.now.timestamp())
    if not ctx.views.get(has_issuer, SIGN_IN):
        with ctx.new_transaction() as writer:
            ensure_server_issuer(writer, SIGN_IN, now=now, vault=ctx.vault)
    claims = {
        "iss": issuer_url(ctx.settings.public_url, SIGN_IN),
        "sub": session_arn,
        "aud": client_id,
        "iat": now,
        "exp": now + LIFETIME,
        "auth_time": int(signed_in.timestamp()),
    }
    return ctx.views.get(load_issuer_rings, SIGN_IN, ctx.vault).sign(Algorithm.ES384, claims, now=now)
