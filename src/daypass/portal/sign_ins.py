"""Keep a sign-in between its two steps: what was proved stays here, the browser gets a handle and a cookie.

Owns the promise that neither is worth anything without the other, that both are good once and for a few minutes, and
that the proof itself never goes back to the browser. The handle is sealed and bound to the cookie's secret; the proof
lies encrypted in the store, so that any node can take the second step.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from daypass.directory import records
from daypass.directory.sign_in_entities import SignIn
from daypass.directory.store import Writer
from daypass.errors import ExpiredTokenException
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.world import World

MINUTES = timedelta(minutes=5)
_OVER = "This sign-in has ended, or a role was chosen already. Sign in again at your identity provider."
_ID_BYTES, _SECRET_BYTES = 16, 32
_PURGED = 16


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the browser keeps: the handle in the page, and the secret in a cookie that only we can read."""

    handle: str
    secret: str

    def __repr__(self) -> str:
        return "<secret>"


def keep(proof: str, world: World) -> Ticket:
    """Put a proof aside, and return what fetches it once."""
    secret = urlsafe_b64encode(world.entropy(_SECRET_BYTES)).rstrip(b"=").decode()
    sign_in = SignIn(id=world.entropy(_ID_BYTES).hex(), ends=world.now + MINUTES, sealed_proof=b"")
    sealed = world.vault.encrypt(proof.encode(), bound_to=sign_in.proof_name)
    with world.apart() as writer:
        _forget_some(writer, world.now)
        records.insert(writer, SignIn(id=sign_in.id, ends=sign_in.ends, sealed_proof=sealed))
    handle = seal(
        Purpose.PORTAL,
        sign_in.id.encode(),
        bound_to=secret,
        ring=world.ring,
        now=int(world.now.timestamp()),
        entropy=world.entropy,
    )
    return Ticket(handle, secret)


def take(ticket: Ticket, world: World) -> str:
    """Return the proof that was put aside, and forget it. Raises a Fault where it is gone or never was."""
    try:
        key = unseal(Purpose.PORTAL, ticket.handle, bound_to=ticket.secret, ring=world.ring).decode()
    except (SealBrokenError, UnicodeDecodeError) as error:
        raise ExpiredTokenException(_OVER, detail="the handle does not belong to the cookie") from error
    with world.apart() as writer:
        found = records.find(writer, SignIn, "", key)
        if found is not None:
            records.delete(writer, found)
    if found is None or found.ends <= world.now:
        raise ExpiredTokenException(_OVER, detail="no sign-in waits under this handle")
    return world.vault.decrypt(found.sealed_proof, bound_to=found.proof_name).decode()


def _forget_some(writer: Writer, now: datetime) -> None:
    # They are listed by their ends. A few a time are enough: each new one takes more than itself away.
    for record in writer.page(records.kind_name(SignIn), "", limit=_PURGED):
        waiting = records.to_entity(SignIn, record)
        if waiting.ends > now:
            return
        records.delete(writer, waiting)
