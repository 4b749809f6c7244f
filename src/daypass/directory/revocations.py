"""Access keys whose sessions were ended: until when what they issued is void.

Owns one record of the store, which every node reads with each temporary credential, from the cache. A line goes when
the last session that it could end has expired by itself. AWS has no such thing; it is for a key that has leaked.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from daypass.directory.store import Reader, Record, Writer
from daypass.mint.durations import LONGEST
from daypass.mint.lifecycle import SKEW
from daypass.mint.session import Session

_KIND, _KEY = "revocations", "access-keys"
_decode = msgspec.json.Decoder(dict[str, int]).decode

Revocations = Mapping[str, int]


def load_revocations(reader: Reader) -> Revocations:
    """Return, by access key id, the second before which everything that the key issued is void."""
    record = reader.find(_KIND, "", _KEY)
    return MappingProxyType({} if record is None else _decode(record.body))


def is_revoked(session: Session, revocations: Revocations) -> bool:
    """Tell whether a session is void: it, the key that issued it or the key at the start of its chain was revoked."""
    return any(
        session.issued < revocations[key]
        for key in (session.access_key_id, session.issuing_key, session.first_key)
        if key in revocations
    )


def revoke_key(writer: Writer, access_key_id: str, *, before: int, now: int) -> None:
    """End what the key issued before a second. What was ended stays so, whatever is asked for later."""
    known = load_revocations(writer)
    kept = {key: until for key, until in known.items() if until + LONGEST + SKEW > now}
    kept[access_key_id] = max(before, known.get(access_key_id, 0))
    record = Record(kind=_KIND, account="", key=_KEY, sort=_KEY, body=msgspec.json.encode(kept))
    if writer.find(_KIND, "", _KEY) is None:
        writer.insert(record)
    else:
        writer.replace(record)
