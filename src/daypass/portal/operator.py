"""The pages for operators: who can assume what, recent refusals with their reasons, the keys and their rotation.

Owns what they show, each of it of the session's own account. Who may look is operator_sessions.py's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.named import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import Edge, Graph, trust_graph
from daypass.errors import Throttling
from daypass.mint.durations import LONGEST
from daypass.mint.keyring import SealingRing
from daypass.operations.operation import Touches
from daypass.portal import pages
from daypass.portal.credentials import Credentials
from daypass.portal.operator_sessions import Held, OperatorSessions
from daypass.portal.site import Site

_TAIL = 1_048_576
_MOST_REFUSALS = 100
_MOST_DRAWN = 60
_ROW = 34
_drawing = Lock()


@dataclass(frozen=True, slots=True)
class OperatorPages:
    """The steps. `audit_file` is empty where events go elsewhere than into a file."""

    site: Site
    sessions: OperatorSessions
    audit_file: str

    def enter(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator: look around with the credentials of a page that was just shown."""
        self.site.require_our_page(request)
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Name")
        key_id, secret, token, ends, name = (fields.get(each, "") for each in names)
        credentials = Credentials(key_id, secret, token, ends, name, self.site.settings.public_url)
        return self.sessions.enter(request, credentials, request_id, pages.redirect("/operator"))

    def leave(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """POST /operator/leave: end the session."""
        self.site.require_our_page(request)
        return self.sessions.leave(request, pages.redirect("/login"))

    def graph(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator: who can assume what."""
        held = self.sessions.require(request, request_id)
        if not _drawing.acquire(blocking=False):
            raise Throttling("Somebody else's graph is being made. Try again in a moment.")
        try:
            graph = self._graph(held.account)
        finally:
            _drawing.release()
        ways = [_shown_way(edge, graph) for edge in graph.edges]
        values = {"ways": ways, "closed": graph.closed, "picture": _picture(ways)}
        return self._page("operator_graph.html", held, values)

    def refusals(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/refusals: what was refused lately, and why."""
        held = self.sessions.require(request, request_id)
        values = {"refusals": _refusals(self.audit_file, held.account), "logged": bool(self.audit_file)}
        return self._page("operator_refusals.html", held, values)

    def keys(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/keys: the keys that seal sessions."""
        held = self.sessions.require(request, request_id)
        with self.site.world() as world:
            shown = _shown_keys(world.ring, int(world.now.timestamp()))
        return self._page("operator_keys.html", held, {"keys": shown})

    def _graph(self, account: str) -> Graph:
        now, region = self.site.pipeline.now(), self.site.pipeline.home_region
        with self.site.face.open(Touches.READS, now, region) as world:
            return trust_graph(SnapshotViews(world.reader), Assumed(now), only=account)

    def _page(self, template: str, held: Held, values: Mapping[str, Any]) -> Response:
        return pages.page(template, {**values, "arn": held.arn, "account": held.account})


def _shown_way(edge: Edge, graph: Graph) -> dict[str, Any]:
    node = next(node for node in graph.nodes if node.id == edge.source)
    return {
        "who": list(node.members),
        "kind": edge.way.kind,
        "role": edge.target,
        "action": edge.action.removeprefix("sts:"),
        "conditions": list(edge.way.conditions),
    }


def _picture(ways: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return where the picture's boxes and lines stand: those who ask to the left, roles to the right."""
    if not 0 < len(ways) <= _MOST_DRAWN:
        return None
    left = list(dict.fromkeys(_short(way["who"]) for way in ways))
    right = list(dict.fromkeys(_short([way["role"]]) for way in ways))
    lines = [
        (_middle(left.index(_short(way["who"]))), _middle(right.index(_short([way["role"]]))), bool(way["conditions"]))
        for way in ways
    ]
    return {
        "left": [(_middle(index), text) for index, text in enumerate(left)],
        "right": [(_middle(index), text) for index, text in enumerate(right)],
        "lines": lines,
        "height": _ROW * max(len(left), len(right)) + 8,
    }


def _middle(index: int) -> int:
    return index * _ROW + _ROW // 2 + 4


def _short(members: Sequence[str]) -> str:
    name = members[0].split(":", 5)[-1] if members[0].startswith("arn:") else members[0]
    text = name if len(name) <= 34 else f"{name[:33]}…"  # noqa: PLR2004 - what fits into a box
    return text if len(members) == 1 else f"{text} and {len(members) - 1} more"


def _refusals(file: str, account: str) -> list[dict[str, str]]:
    """Return the latest refusals of an account's callers on this server, newest first."""
    if not file:
        return []
    found: list[dict[str, str]] = []
    for line in reversed(_last_lines(Path(file))):
        try:
            event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue  # the first line of the tail may be half a line
        who = event.get("userIdentity", {})
        if event.get("errorCode") and who.get("accountId") == account:
            found.append(
                {
                    "at": event.get("eventTime", ""),
                    "who": who.get("arn", "") or who.get("principalId", ""),
                    "action": f"{event.get('eventSource', '').partition('.')[0]}:{event.get('eventName', '')}",
                    "code": event["errorCode"],
                    "message": event.get("errorMessage", ""),
                    "detail": (event.get("additionalEventData") or {}).get("detail", ""),
                    "id": event.get("requestID", ""),
                }
            )
            if len(found) == _MOST_REFUSALS:
                break
    return found


def _last_lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read(_TAIL).splitlines()
    except OSError:
        return []


def _shown_keys(ring: SealingRing, now: int) -> list[dict[str, str]]:
    return [
        {
            "id": key.id,
            "state": ring.state(key, now=now, longest=LONGEST).value,
            "created": _instant(key.created),
            "activates": _instant(key.activates),
            "retires": "" if ring.retires(key) is None else _instant(ring.retires(key) or 0),
        }
        for key in ring.keys
    ]


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
