"""The audit log after a soak: each line is whole, and each call has its event.

Owns the comparison with the tally of the clients. Refusals of unauthenticated calls are aggregated, so their number
is compared and not their ids.
"""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from bench.soak.clients import Tally

_CLIENT = "daypass-bench"  # the name that bench/signed.py gives itself
_LINES_SHOWN = 3


def judge_audit(lines: Iterable[bytes], tally: Tally) -> list[str]:
    """Return the faults of an audit log: broken lines, and events that are missing or too many."""
    broken: list[str] = []
    authenticated = ids = refused = 0
    for number, line in enumerate(lines, 1):
        event = _parse(line)
        if event is None:
            broken.append(f"line {number} of the audit log is not whole: {line[:200]!r}")
        elif event.get("userAgent") != _CLIENT:
            continue
        elif event["userIdentity"]["type"] == "Unknown":
            refused += event.get("additionalEventData", {}).get("aggregated", {}).get("count", 1)
        else:
            authenticated += 1
            ids += UUID(event["requestID"]).int
    faults = broken[:_LINES_SHOWN]
    if len(broken) > len(faults):
        faults.append(f"{len(broken)} lines of the audit log are not whole")
    if authenticated != tally.authenticated:
        faults.append(f"the audit log has {authenticated} events of {tally.authenticated} authenticated calls")
    elif ids != tally.ids:
        faults.append("the audit log has events of other request ids than the responses")
    if refused != tally.refused:
        faults.append(f"the audit log counts {refused} of {tally.refused} calls with a wrong signature")
    return faults


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
