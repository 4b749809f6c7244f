"""Pending entries: small secrets, encrypted in the store for minutes.

Any node can continue with them. An entry is bound to its name, does not exist for a reader after its end, and is
deleted soon afterwards.
"""

from datetime import datetime

from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignIn
from daypass.directory.store import Reader, RecordMissingError, Writer
from daypass.operations.request_context import RequestContext

_PURGED = 16
_TRIED_PLACES = 8


def put(writer: Writer, name: str, value: bytes, *, ends: datetime, ctx: RequestContext) -> None:
    """Store a value under a free name.

    Raises RecordExistsError if the name is taken.
    """
    _forget_some(writer, ctx.now)
    former = load_waiting(writer, name)
    if former is not None and former.ends <= ctx.now:
        records.delete(writer, former)
    records.insert(writer, _sealed(name, value, ends, ctx))


def has_room(writer: Writer, name: str, *, most: int, ends: datetime, ctx: RequestContext) -> bool:
    """Claim one of `most` places of a name until `ends`.

    Tries a few at random. Returns False if all of these are taken.
    """
    drawn = ctx.entropy(2 * _TRIED_PLACES)
    places = (int.from_bytes(drawn[at : at + 2]) % most for at in range(0, len(drawn), 2))
    return any(writer.claim(f"{name}:{place}", until=ends) for place in places)


def change(writer: Writer, name: str, value: bytes, *, ctx: RequestContext) -> None:
    """Replace the value of a name, with the same end.

    Raises RecordMissingError.
    """
    found = _find(writer, name, ctx.now)
    if found is None:
        raise RecordMissingError
    records.replace(writer, _sealed(name, value, found.ends, ctx))


def take(writer: Writer, name: str, *, ctx: RequestContext) -> bytes | None:
    """Return and delete the value of a name, or return None."""
    found = _find(writer, name, ctx.now)
    if found is None:
        return None
    records.delete(writer, found)
    return _opened(found, ctx)


def find(reader: Reader, name: str, *, ctx: RequestContext) -> bytes | None:
    """Return the value of a name, or None."""
    found = _find(reader, name, ctx.now)
    return None if found is None else _opened(found, ctx)


def look(name: str, *, ctx: RequestContext) -> bytes | None:
    """Return the cached value of a name, or None. For repeated polling."""
    found = ctx.views.get(load_waiting, name)
    return None if found is None or found.ends <= ctx.now else _opened(found, ctx)


def load_waiting(reader: Reader, name: str) -> SignIn | None:
    """Return the stored record of a name, even if it has expired."""
    return records.find(reader, SignIn, "", name)


def _find(reader: Reader, name: str, now: datetime) -> SignIn | None:
    found = load_waiting(reader, name)
    return None if found is None or found.ends <= now else found


def _sealed(name: str, value: bytes, ends: datetime, ctx: RequestContext) -> SignIn:
    plain = SignIn(id=name, ends=ends, sealed_proof=b"")
    return SignIn(id=name, ends=ends, sealed_proof=ctx.vault.encrypt(value, bound_to=plain.proof_name))


def _opened(found: SignIn, ctx: RequestContext) -> bytes:
    return ctx.vault.decrypt(found.sealed_proof, bound_to=found.proof_name)


def _forget_some(writer: Writer, now: datetime) -> None:
    # Records are sorted by their ends. A few are enough: each new record deletes more than one old record.
    for over in records.page(writer, SignIn, "", limit=_PURGED):
        if over.ends > now:
            return
        records.delete(writer, over)
