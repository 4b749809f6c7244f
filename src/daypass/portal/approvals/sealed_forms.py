"""The sealed value in the form of an approval page.

Owns its protection: the value is valid for ten minutes, for one kind of page, in the browser session that got the page.
A form of another browser or another site has no such value. Its id is new for each page, so that one page approves
once.
"""

from datetime import timedelta

import msgspec

from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import ExpiredTokenException
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.request_context import RequestContext

_LIFETIME = timedelta(minutes=10)
_OVER = "This page has expired. Start the sign-in again in your terminal."


class SealedForm(msgspec.Struct, frozen=True, array_like=True):
    """The value of a form, with its id and its end."""

    id: str
    ends: int
    value: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SealedForm).decode


def seal_form(kind: str, value: msgspec.Struct, session: SignInSession, ctx: RequestContext) -> str:
    """Return the sealed value for a form of a session's browser."""
    form = SealedForm(ctx.entropy(16).hex(), int((ctx.now + _LIFETIME).timestamp()), msgspec.Raw(_encode(value)))
    return seal(
        Purpose.PORTAL,
        _encode(form),
        bound_to=_bound_to(kind, session),
        sealing_ring=ctx.sealing_ring,
        now=int(ctx.now.timestamp()),
        entropy=ctx.entropy,
    )


def open_form(kind: str, handle: str, session: SignInSession, ctx: RequestContext) -> SealedForm:
    """Return the value of a form. Raises ExpiredTokenException."""
    try:
        opened = unseal(Purpose.PORTAL, handle, bound_to=_bound_to(kind, session), sealing_ring=ctx.sealing_ring)
    except SealBrokenError as broken:
        raise ExpiredTokenException(_OVER, detail="the form is not of this browser's session") from broken
    form = _decode(opened)
    if ctx.now.timestamp() >= form.ends:
        raise ExpiredTokenException(_OVER)
    return form


def _bound_to(kind: str, session: SignInSession) -> str:
    return f"{kind}:{session.id}:{session.secret_hash.hex()}"
