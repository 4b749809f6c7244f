"""The page to which a browser returns after its sign-in.

A page that needs a sign-in redirects to `/login?next=HANDLE`. The handle contains the path, sealed, so that no other
site chooses it: only pages of this server, from the table below, are ever continued. While the browser is at the
identity provider, the path waits in the store, and the cookie of the pending login has its name.
"""

import re
from datetime import timedelta

from daypass.directory.store import Writer
from daypass.errors import InvalidParameterValue, Throttling
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.operations.request_context import RequestContext
from daypass.sign_in import pending_records
from daypass.wire.peer_network import peer_network

PREFIX = "next:"
"""The beginning of the name of a record with a path."""

_LONGEST_PATH, _LONGEST_HANDLE = 1_300, 2_048
_PATH = re.compile(r"/(?:roles|operator|device|authorize|v1/authorize|start)(?:/[A-Za-z0-9._~/-]*)?(?:\?[!-~]*)?")
_BOUND = "next page"
_MOST_OF_NETWORK = 2_000


def continue_at(path: str, ctx: RequestContext) -> str:
    """Return the handle of a path with its query, for `/login?next=`.

    Raises InvalidParameterValue if it is too long, or not a page that a sign-in may continue.
    """
    if len(path) > _LONGEST_PATH or not _PATH.fullmatch(path):
        raise InvalidParameterValue(
            f"The address must be a page of this server, in at most {_LONGEST_PATH} characters."
        )
    now = int(ctx.now.timestamp())
    return seal(
        Purpose.PORTAL, path.encode(), bound_to=_BOUND, sealing_ring=ctx.sealing_ring, now=now, entropy=ctx.entropy
    )


def find_path(handle: str, ctx: RequestContext) -> str:
    """Return the path in a handle, or "" if the handle is not ours."""
    if not handle or len(handle) > _LONGEST_HANDLE:
        return ""
    try:
        path = unseal(Purpose.PORTAL, handle, bound_to=_BOUND, sealing_ring=ctx.sealing_ring).decode()
    except (SealBrokenError, UnicodeDecodeError):
        return ""
    return path if _PATH.fullmatch(path) else ""


def keep_path(path: str, peer: str, ctx: RequestContext) -> str:
    """Store a path while the browser is away. Return its record's name.

    Raises Throttling if too many paths of the network are waiting.
    """
    name, ends = f"{PREFIX}{ctx.entropy(16).hex()}", ctx.now + timedelta(minutes=10)
    with ctx.new_transaction() as writer:
        network = f"{PREFIX}{peer_network(peer)}"
        if not pending_records.has_room(writer, network, most=_MOST_OF_NETWORK, ends=ends, ctx=ctx):
            raise Throttling("Rate exceeded", detail="too many sign-ins of this network are pending")
        pending_records.put(writer, name, path.encode(), ends=ends, ctx=ctx)
    return name


def take_path(writer: Writer, name: str, ctx: RequestContext) -> str:
    """Return and delete the path of a record, or return the page of roles."""
    found = pending_records.take(writer, name, ctx=ctx) if name.startswith(PREFIX) else None
    return "/roles" if found is None else found.decode()
