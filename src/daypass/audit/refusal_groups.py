"""Group similar unauthenticated refusals into one event with a count.

Anyone can cause such refusals. Rules:

- A success, and a refusal of an authenticated caller, always has its own event.
- The first refusal of a kind is recorded at once. Those that follow within the window become one event at its end.
- A kind consists of peer, action, error code, the role's account, and the access key id if that key exists. Unknown key
  ids, user agents and other parameters, which an attacker chooses freely, are not part of a kind.
- Accounts share the groups, each for its own keys, so that attempts with one's own keys cannot hide attempts with
  another account's. All unknown keys count as one more account.
- One peer has few groups, apart from those of existing keys, and the total is limited. Refusals beyond these limits are
  counted in a common group of the peer, of the peer and key, or of all, by error code. So memory and disk use do not
  grow with an attacker's input, and attempts with a real key are not lost among invented ones.

Times are arguments. Only one thread uses it at a time.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from daypass.arn import Arn, is_account_id
from daypass.audit.event import AuditRecord, Event
from daypass.audit.lines import to_short_event
from daypass.audit.user_identity import UserIdentity
from daypass.federation.oidc.shares import Shares

WINDOW = 10.0  # seconds
MOST_GROUPS = 256
MOST_GROUPS_OF_PEER = 8
_MOST_CODES = 50
VARIOUS = "Various"
_ALL = ("", "")

Kind = tuple[str, ...]
Owner = tuple[str, str]  # a peer, and the access key id in its call if that key exists


class _Group(msgspec.Struct):
    """Refusals of one kind after the first.

    `event` is the first of them. `codes` is used only by common groups.
    """

    owner: Owner
    account: str
    ends: float
    is_common: bool
    count: int = 0
    event: Event | None = None
    first: datetime | None = None
    last: datetime | None = None
    codes: dict[str, int] = msgspec.field(default_factory=dict)


class RefusalGroups:
    """The groups of one process.

    `peer_of` returns the peer of an address.
    """

    def __init__(self, peer_of: Callable[[str], str], new_id: Callable[[], str]) -> None:
        self._peer_of = peer_of
        self._new_id = new_id
        self._groups: dict[Kind, _Group] = {}  # the oldest, which ends first, is first
        self._owned: Counter[Owner] = Counter()
        self._shares = Shares(MOST_GROUPS)

    def take(self, refusal: AuditRecord, now: float) -> bool:
        """Count a refusal. Return whether it is the first of its kind.

        The caller records the first one by itself.
        """
        owner = (self._peer_of(refusal.request.peer), _known_key(refusal))
        account = "" if refusal.fault is None else refusal.fault.key_account
        kind = self._place(owner, account, (*owner, refusal.action, refusal.code, _account_of(refusal)))
        group = self._groups.get(kind)
        if group is None:
            owner = owner if kind else _ALL
            self._groups[kind] = _Group(owner, account, now + WINDOW, is_common=len(kind) <= len(owner))
            self._owned[owner] += 1
            return True
        if group.event is None:
            group.event, group.first = to_short_event(refusal, self._new_id()), refusal.at
        group.count += 1
        group.last = refusal.at
        if group.is_common and (refusal.code in group.codes or len(group.codes) < _MOST_CODES):
            group.codes[refusal.code] = group.codes.get(refusal.code, 0) + 1
        return False

    def ended(self, now: float) -> Iterator[Event]:
        """Yield the events of the groups whose window has ended, and remove them."""
        while self._groups:
            kind = next(iter(self._groups))
            if self._groups[kind].ends > now:
                return
            group = self._groups.pop(kind)
            if kind:
                self._shares.give_back(group.account)
            self._owned[group.owner] -= 1
            if not self._owned[group.owner]:
                del self._owned[group.owner]
            if group.event is not None:
                yield _to_event(group, group.event)

    def _place(self, owner: Owner, account: str, kind: Kind) -> Kind:
        """Return the kind under which a refusal is counted.

        A new kind takes a slot of the account.
        """
        if kind not in self._groups and self._owned[owner] >= MOST_GROUPS_OF_PEER:
            kind = owner
        return kind if kind in self._groups or self._shares.take(account) else ()


def _known_key(refusal: AuditRecord) -> str:
    return refusal.access_key_id if refusal.fault is not None and refusal.fault.names_known_key else ""


def _account_of(refusal: AuditRecord) -> str:
    """Return the account of the requested role, or "".

    Its operators see the refusal, and must not see another account's in the same event.
    """
    role = (refusal.parameters or {}).get("RoleArn", "")
    arn = Arn.find(role) if isinstance(role, str) else None
    return arn.account if arn is not None and is_account_id(arn.account) else ""


def _to_event(group: _Group, event: Event) -> Event:
    if group.count == 1:
        return event
    aggregated: dict[str, Any] = {"count": group.count, "firstTime": group.first, "lastTime": group.last}
    if not group.is_common:
        return replace(event, additional_event_data={**(event.additional_event_data or {}), "aggregated": aggregated})
    aggregated["errorCodes"] = group.codes
    return replace(
        event,
        event_name=VARIOUS,
        source_i_p_address=VARIOUS if group.owner == _ALL else event.source_i_p_address,
        error_code=VARIOUS,
        error_message=None,
        user_agent="",
        user_identity=UserIdentity("Unknown", access_key_id=group.owner[1]),
        request_parameters=None,
        additional_event_data={"aggregated": aggregated},
    )
