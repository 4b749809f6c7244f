"""The pages of the operator console that only read.

Owns their limits. Leaves the content, of the session's own account, to the modules beside this one, and the permission
check to operator_sessions.py.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import BoundedSemaphore, Lock

from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.named_request import Assumed
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.trust_graph import Graph, GraphTooLargeError, account_graph
from daypass.errors import ServiceUnavailable, Throttling
from daypass.operations.operation import StoreAccess
from daypass.portal import pages
from daypass.portal.credential_formats import RoleCredentials
from daypass.portal.operator.hourly_chart import count_hours, draw_hours
from daypass.portal.operator.operator_audit import find_events, read_search
from daypass.portal.operator.operator_expiries import find_expiries
from daypass.portal.operator.operator_frame import console_page, require_form
from daypass.portal.operator.operator_graph import ADDRESS as GRAPH
from daypass.portal.operator.operator_graph import read_wanted, to_values
from daypass.portal.operator.operator_keys import shown_rings
from daypass.portal.operator.operator_sessions import OperatorSessions
from daypass.portal.sign_in_cookie import session_of
from daypass.portal.site import Site

_BUSY = "The server is busy with other graphs. Try again in a moment."
_TOO_LARGE = (
    "This account has too many users and roles for this page. "
    "Run `daypass graph --account {}` on a machine that has access to the store."
)
_PATIENCE = 10.0  # seconds
_drawing, _waiting = Lock(), BoundedSemaphore(3)
_busy: set[str] = (
    set()
)  # accounts with a running or waiting graph: at most one each, so that one account cannot take all places
_entering = Lock()


@dataclass(frozen=True, slots=True)
class OperatorPages:
    """The steps of the operator pages.

    `audit_file` is empty if events do not go to a file. `rotate_days` is 0 if keys are not rotated automatically.
    """

    site: Site
    sessions: OperatorSessions
    audit_file: str
    rotate_days: int

    def enter(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator: start an operator session from the credentials page."""
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Name")
        key_id, secret, token, ends, name = (fields.get(each, "") for each in names)
        credentials = RoleCredentials(key_id, secret, token, ends, name, self.site.settings.public_url)
        with self.site.ctx() as ctx:
            signed_in = session_of(request, ctx)
        sign_in = "" if signed_in is None else signed_in.id
        return self.sessions.enter(request, credentials, request_id, pages.redirect("/operator"), sign_in=sign_in)

    def leave(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/leave: end the operator session."""
        require_form(request, fields)
        with self.site.ctx() as ctx:
            signed_in = session_of(request, ctx)
        answer = pages.redirect("/login" if signed_in is None else "/roles")
        return self.sessions.leave(request, request_id, answer)

    def overview(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator: show the last hours, and certificates and keys."""
        if {"q", "chains", "from"} & set(request.query_params):
            return pages.redirect(f"{GRAPH}?{request.url.query}")  # the graph was here before 0.2
        held = self.sessions.require(request, request_id)
        now, region = self.site.pipeline.now(), self.site.pipeline.home_region
        with self.site.store_view.open(StoreAccess.READ, now, region) as ctx:
            expiries = find_expiries(ctx.reader, held.account, now)
            rings = list(shown_rings(ctx, ctx.reader, held.account, self.rotate_days))
        counts = count_hours(self.audit_file, held.account, now) if self.audit_file else None
        values = {
            "counts": counts,
            "chart": "" if counts is None else draw_hours(counts),
            "expiries": expiries,
            "rings": rings,
        }
        return console_page(request, "operator_overview.html", held, values)

    def graph(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/graph: show who can assume what."""
        held = self.sessions.require(request, request_id)
        return console_page(
            request,
            "operator_graph.html",
            held,
            to_values(self._graph(held.account), read_wanted(request.query_params)),
        )

    def refusals(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/refusals: lead to the refusals of the audit page."""
        search = read_search(request.query_params)
        return pages.redirect(replace(search, outcome="refused").address())

    def audit(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/audit: show requests, and the reasons of refusals."""
        held = self.sessions.require(request, request_id)
        search = read_search(request.query_params)
        found = find_events(self.audit_file, held.account, search) if self.audit_file else None
        return console_page(request, "operator_audit.html", held, {"search": search, "found": found})

    def keys(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/keys: show the keys and their rotation."""
        held = self.sessions.require(request, request_id)
        now, region = self.site.pipeline.now(), self.site.pipeline.home_region
        with self.site.store_view.open(StoreAccess.READ, now, region) as ctx:
            rings = list(shown_rings(ctx, ctx.reader, held.account, self.rotate_days))
        return console_page(request, "operator_keys.html", held, {"rings": rings, "rotate_days": self.rotate_days})

    def _graph(self, account: str) -> Graph:
        """Return the graph of an account.

        A large one takes seconds of a processor, so the server builds one at a time, and only a few may wait. Raises
        Throttling.
        """
        with _entering:
            if account in _busy or not _waiting.acquire(blocking=False):
                raise Throttling(_BUSY)
            _busy.add(account)
        try:
            if not _drawing.acquire(timeout=2 * _PATIENCE):
                raise Throttling(_BUSY)
            try:
                return self._make_graph(account)
            finally:
                _drawing.release()
        finally:
            _waiting.release()
            with _entering:
                _busy.discard(account)

    def _make_graph(self, account: str) -> Graph:
        ends = time.monotonic() + _PATIENCE
        now, region = self.site.pipeline.now(), self.site.pipeline.home_region
        with self.site.store_view.open(StoreAccess.READ, now, region) as ctx:
            views = SnapshotViews(ctx.reader)
            try:
                return account_graph(views, Assumed(now), account, is_over=lambda: time.monotonic() > ends)
            except GraphTooLargeError as error:
                raise ServiceUnavailable(_TOO_LARGE.format(account)) from error
