"""Revoked access keys and delegation requests.

Owns one record, which every node reads with each temporary credential, from the cache. It contains the second before
which the sessions and credentials of a key or request are void. AWS has no such record.

- A revocation ends the sessions whose chain contains the key, at any depth, if the key's time in the chain is earlier
  than the revocation (mint/key_chain.py). So a session that another node issued a moment too late ends too.
- A revocation of a temporary key ends the session of that key too.
- A revocation of a delegation request ends the credentials that were issued for it.
- An entry stays until all sessions that it could end have expired: a delegation may be sent days after its acceptance.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from daypass.directory.entities.delegation_entities import LIFETIMES, LONGEST_DELEGATION, DelegationRequest, State
from daypass.directory.store import Reader, Record, Writer
from daypass.mint.durations import LONGEST
from daypass.mint.key_chain import KeyChain
from daypass.mint.key_ring import SKEW
from daypass.mint.session import Session

_KIND, _KEY = "revocations", "access-keys"
_KEPT = int(LIFETIMES[State.ACCEPTED].total_seconds()) + max(LONGEST, LONGEST_DELEGATION) + SKEW
REVOCATION_KEPT = timedelta(seconds=2 * _KEPT)
"""The longest time for which `revoke_for_good` keeps an entry."""

_decode = msgspec.json.Decoder(dict[str, int]).decode

Revocations = Mapping[str, int]


def load_revocations(reader: Reader) -> Revocations:
    """Return the second of revocation by access key id or request id.

    Credentials that were issued before this second are void.
    """
    record = reader.find(_KIND, "", _KEY)
    return MappingProxyType({} if record is None else _decode(record.body))


def end_of_second(now: datetime) -> int:
    """Return the second after `now`.

    Sessions issued in the present second are older.
    """
    return math.floor(now.timestamp()) + 1


def is_revoked(session: Session, revocations: Revocations) -> bool:
    """Return whether a session was revoked.

    Its own key, a key in its chain, or its delegation request may be revoked.
    """
    named = {session.access_key_id, session.delegation}
    if not session.issuing_keys:
        named |= {session.issuing_key, session.first_key}
    if any(session.issued < revocations[name] for name in named if name in revocations):
        return True
    return is_chain_revoked(session.key_chain, revocations)


def is_chain_revoked(chain: KeyChain, revocations: Revocations) -> bool:
    """Return whether a key was revoked after its time in the chain."""
    steps = zip(chain.keys, chain.times, strict=True)
    return any(time < revocations[key] for key, time in steps if key in revocations)


def revoke_key(writer: Writer, name: str, *, before: int, now: int) -> None:
    """Void the credentials that a key or request issued before a second.

    A later revocation stays.
    """
    known = load_revocations(writer)
    kept = {name: until for name, until in known.items() if until + _KEPT > now}
    kept[name] = max(before, known.get(name, 0))
    record = Record(kind=_KIND, account="", key=_KEY, sort=_KEY, body=msgspec.json.encode(kept))
    if writer.find(_KIND, "", _KEY) is None:
        writer.insert(record)
    else:
        writer.replace(record)


def revoke_for_good(writer: Writer, name: str, *, now: int) -> None:
    """End a temporary key or a delegation request and its descendants.

    Neither is issued again, so the revocation lasts as long as any session could be valid. The issuing node's clock may
    be ahead, and a server of 0.1.0 may still redeem the token of a revoked request.
    """
    revoke_key(writer, name, before=now + _KEPT, now=now)


def revoke_delegation(writer: Writer, request: DelegationRequest, *, before: int | None = None, now: int) -> None:
    """Revoke a delegation: exchange token, credentials and descendants.

    If `before` is given, only approvals before that second end.
    """
    for name in filter(None, (request.id, request.redeemed_key)):
        if before is None:
            revoke_for_good(writer, name, now=now)
        else:
            revoke_key(writer, name, before=before, now=now)
