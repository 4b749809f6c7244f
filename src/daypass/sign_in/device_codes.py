"""Device codes: a program waits for an approval on another machine.

Owns their states and transitions (RFC 8628):

* A request waits ten minutes. A person who typed or confirmed its short code approves or declines it, once.
* The program holds a sealed device code, which is valid for its client only. It gets the approval once.
* A network has at most 200 waiting requests.

Leaves the tokens to token_families.py, and the page to the portal.
"""

from datetime import timedelta
from typing import Literal

import msgspec

from daypass.directory.store import Reader, RecordExistsError, Writer
from daypass.errors import ExpiredTokenException, Throttling
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.request_context import RequestContext
from daypass.sign_in import pending_records, short_codes
from daypass.wire.peer_network import peer_network
from daypass.wire.rest_faults import AccessDeniedException, AuthorizationPendingException, InvalidGrantException

MINUTES = timedelta(minutes=10)
INTERVAL = 2
"""The seconds between two polls of a program."""

_MOST_WAITING_A_PEER = 200
_NAME, _BOUND = "device:", "device code"
_ID_BYTES = 16
_OVER = "This sign-in has expired or is already complete. Start it again in your terminal."


class DeviceRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of a program, and its outcome.

    `client_name` is what the program says about itself. `peer` is the address of the program. `sign_in` is the id of
    the session of the person who approved.
    """

    id: str
    client_id: str
    client_name: str
    scopes: tuple[str, ...]
    peer: str
    user_code: str = ""
    outcome: Literal["", "approved", "declined"] = ""
    sign_in: str = ""

    @property
    def record_name(self) -> str:
        """The name of its record in the store."""
        return _NAME + self.user_code


_decode = msgspec.json.Decoder(DeviceRequest).decode
_encode = msgspec.json.Encoder().encode


def begin(new: DeviceRequest, ctx: RequestContext) -> DeviceRequest:
    """Store a waiting request under a new id and short code.

    Raises Throttling.
    """
    new = msgspec.structs.replace(new, id=ctx.entropy(_ID_BYTES).hex())
    with ctx.new_transaction() as writer:
        until = ctx.now + MINUTES
        network = f"device:{peer_network(new.peer)}"
        if not pending_records.has_room(writer, network, most=_MOST_WAITING_A_PEER, ends=until, ctx=ctx):
            raise Throttling("Too many sign-ins are pending for your network. Try again in a few minutes.")
        while True:
            waiting = msgspec.structs.replace(new, user_code=short_codes.new_code(ctx))
            try:
                pending_records.put(writer, waiting.record_name, _encode(waiting), ends=until, ctx=ctx)
            except RecordExistsError:
                continue
            return waiting


def device_code_of(waiting: DeviceRequest, ctx: RequestContext) -> str:
    """Return the device code of a request, with which its program polls."""
    return seal(
        Purpose.PORTAL,
        f"{waiting.user_code}.{waiting.id}".encode(),
        bound_to=_BOUND,
        sealing_ring=ctx.sealing_ring,
        now=int(ctx.now.timestamp()),
        entropy=ctx.entropy,
    )


def find_by_code(reader: Reader, code: str, ctx: RequestContext) -> DeviceRequest | None:
    """Return the waiting request of a short code, or None."""
    found = _find(reader, code, ctx)
    return None if found is None or found.outcome else found


def get_waiting(code: str, identifier: str, ctx: RequestContext) -> DeviceRequest:
    """Return a waiting request.

    Raises ExpiredTokenException if it does not wait.
    """
    with ctx.snapshot() as reader:
        return _get_waiting(reader, code, identifier, ctx)


def settle(waiting: DeviceRequest, outcome: Literal["approved", "declined"], sign_in: str, ctx: RequestContext) -> None:
    """Approve a request for a sign-in, or decline it, once.

    Raises ExpiredTokenException if it does not wait any more.
    """
    with ctx.new_transaction() as writer:
        found = _get_waiting(writer, waiting.user_code, waiting.id, ctx)
        settled = msgspec.structs.replace(found, outcome=outcome, sign_in=sign_in if outcome == "approved" else "")
        pending_records.change(writer, found.record_name, _encode(settled), ctx=ctx)


def find_waiting_id(device_code: str, ctx: RequestContext) -> tuple[str, str]:
    """Return the short code and the id in a device code.

    Raises InvalidGrantException.
    """
    try:
        opened = unseal(Purpose.PORTAL, device_code, bound_to=_BOUND, sealing_ring=ctx.sealing_ring)
    except SealBrokenError as error:
        raise InvalidGrantException("The device code is not valid.") from error
    code, _, identifier = opened.decode().partition(".")
    return code, identifier


def redeem(device_code: str, client_id: str, ctx: RequestContext) -> DeviceRequest:
    """Return an approved request, once.

    Raises InvalidGrantException for a code of another client, AuthorizationPendingException, AccessDeniedException if
    it was declined, and ExpiredTokenException if it has expired or was redeemed before. Polls are answered from the
    cache.
    """
    code, identifier = find_waiting_id(device_code, ctx)
    seen = pending_records.look(_NAME + code, ctx=ctx)
    if seen is not None:
        _require_approval(_decode(seen), identifier, client_id)
    with ctx.new_transaction() as writer:
        found = _find(writer, code, ctx)
        if found is None:
            raise ExpiredTokenException(_OVER)
        _require_approval(found, identifier, client_id)
        pending_records.take(writer, found.record_name, ctx=ctx)
        return found


def _require_approval(found: DeviceRequest, identifier: str, client_id: str) -> None:
    if found.id != identifier:  # The short code has a new request.
        raise ExpiredTokenException(_OVER)
    if found.client_id != client_id:
        raise InvalidGrantException("The device code belongs to another client.")
    if not found.outcome:
        raise AuthorizationPendingException("The sign-in is not approved yet.")
    if found.outcome == "declined":
        raise AccessDeniedException("The sign-in was declined in the browser.")


def _find(reader: Reader | Writer, code: str, ctx: RequestContext) -> DeviceRequest | None:
    found = pending_records.find(reader, _NAME + code, ctx=ctx)
    return None if found is None else _decode(found)


def _get_waiting(reader: Reader | Writer, code: str, identifier: str, ctx: RequestContext) -> DeviceRequest:
    found = find_by_code(reader, code, ctx)
    if found is None or found.id != identifier:
        raise ExpiredTokenException(_OVER, detail="the device request does not wait any more")
    return found
