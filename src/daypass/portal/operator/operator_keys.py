"""The key rings that the operator page shows.

Owns the list of key rings, of the server and of an account, without key material. Leaves the life cycle of a key to
mint/key_ring.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from daypass.directory.outbound import issuer_accounts, load_issuer_rings
from daypass.directory.store import Reader
from daypass.federation.saml.requests.request_key import LONGEST_REQUEST
from daypass.mint.durations import LONGEST
from daypass.mint.key_ring import SKEW, KeyRing, KeyState, NoActiveKeyError, RingKey
from daypass.mint.web_identity import LONGEST_TOKEN
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_request_keys import load_request_ring

M = TypeVar("M")
_DAY = 86_400
_WORDS = {
    KeyState.PUBLISHED: "not active yet",
    KeyState.ACTIVE: "active",
    KeyState.RETIRED: "retired, still accepted",
    KeyState.DESTROYED: "being destroyed",
}


@dataclass(frozen=True, slots=True)
class ShownKey:
    """One key. `ends` is None if another key has not replaced it yet."""

    id: str
    state: str
    is_active: bool
    made: datetime
    age: str
    active_from: datetime
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class ShownRing:
    """Keys of one purpose, newest first, and the command that rotates them.

    `next` is the time of the next automatic rotation, or None.
    """

    title: str
    purpose: str
    rotation: str
    command: str
    keys: Sequence[ShownKey]
    next: datetime | None


@dataclass(frozen=True, slots=True)
class _Terms:
    """The description of a kind of key ring.

    `longest` is the longest lifetime, in seconds, of a token or request that a key makes. `by_itself`: servers rotate
    the ring.
    """

    title: str
    purpose: str
    rotation: str
    command: str
    longest: int
    by_itself: bool


_SEALING = _Terms(
    title="Session tokens",
    purpose="Seals the session tokens of all temporary credentials of this server, in every account.",
    rotation="A new key becomes active after one minute, when every server has it. The previous key still opens its "
    "session tokens until the last of them expires, and is then destroyed. Rotation does not end sessions.",
    command="daypass keys rotate",
    longest=LONGEST,
    by_itself=True,
)
_SIGNING = _Terms(
    title="Web identity tokens",
    purpose="Signs the tokens that sts:GetWebIdentityToken returns to callers of this account.",
    rotation="A new key is in the published key set for one day before it signs, so that every relying party has it. "
    "The previous key stays in the set until its last token expires. Rotation does not invalidate tokens.",
    command="daypass keys rotate",
    longest=LONGEST_TOKEN,
    by_itself=True,
)
_SAML_REQUESTS = _Terms(
    title="SAML sign-in requests",
    purpose="Signs the requests to identity providers that require signed requests, for every account.",
    rotation="A new key is in the metadata for seven days before it signs: give the new metadata to your identity "
    "providers in that time. This key is never rotated automatically.",
    command="daypass saml rotate-key",
    longest=LONGEST_REQUEST,
    by_itself=False,
)


def shown_rings(ctx: RequestContext, reader: Reader, account: str, rotate_days: int) -> Iterator[ShownRing]:
    """Yield the key rings that concern an account."""
    now = int(ctx.now.timestamp())
    yield _ring(ctx.sealing_ring, _SEALING, now, rotate_days)
    if account in issuer_accounts(reader):
        for algorithm, ring in load_issuer_rings(reader, account, ctx.vault).rings.items():
            terms = replace(_SIGNING, title=f"{_SIGNING.title}, {algorithm.value}")
            yield _ring(ring, terms, now, rotate_days)
    requests = load_request_ring(reader)
    if requests.keys:
        yield _ring(requests, _SAML_REQUESTS, now, rotate_days)


def _ring(ring: KeyRing[M], terms: _Terms, now: int, rotate_days: int) -> ShownRing:
    keys = [_key(ring, key, now, terms.longest) for key in reversed(ring.keys)]
    try:
        due = ring.active(now).activates + rotate_days * _DAY
    except NoActiveKeyError:
        due = 0
    by_itself = terms.by_itself and rotate_days and due and not ring.has_pending(now)
    following = _instant(due) if by_itself else None
    return ShownRing(terms.title, terms.purpose, terms.rotation, terms.command, keys, following)


def _key(ring: KeyRing[M], key: RingKey[M], now: int, longest: int) -> ShownKey:
    state, retires = ring.state(key, now=now, longest=longest), ring.retires(key)
    return ShownKey(
        id=key.id,
        state=_WORDS[state],
        is_active=state is KeyState.ACTIVE,
        made=_instant(key.created),
        age=_age(now - key.created),
        active_from=_instant(key.activates),
        ends=None if retires is None else _instant(retires + longest + SKEW),
    )


def _age(seconds: int) -> str:
    days = max(0, seconds) // _DAY
    return "less than a day" if not days else f"{days} day{'s' if days > 1 else ''}"


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
