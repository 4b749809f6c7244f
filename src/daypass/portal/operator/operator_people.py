"""The page of people who are signed in, and its forms.

Owns the list, of sign-ins through identity providers of the operator's own account only. Leaves the permission and the
revocation to sign_in/revoke_action.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.saml_providers import find_provider
from daypass.directory.store import Reader
from daypass.errors import NoSuchEntity
from daypass.operations.oidc_clients import find_client
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.operator.operator_caller import operator_caller
from daypass.portal.operator.operator_frame import console_page, require_form
from daypass.portal.operator.operator_sessions import OperatorSessions
from daypass.portal.site import as_sent
from daypass.sign_in.revoke_action import RevokeSignIn, RevokeSignInParams
from daypass.sign_in.sessions import is_sign_in_id, list_of_person, list_sessions
from daypass.wire.visible_text import visible

ADDRESS = "/operator/people"
_ROWS, _MOST_READ, _BATCH = 100, 2_000, 100
_TEXT, _LONGEST_SEARCH, _MOST_REVOKED = 200, 200, 500


@dataclass(frozen=True, slots=True)
class SignInRow:
    """A live sign-in, with strings that are safe to display."""

    id: str
    person: str
    subject: str
    provider: str
    peer: str
    agent: str
    begun: datetime
    ends: datetime

    @property
    def audit(self) -> str:
        """The address of the audit page for this sign-in."""
        return "/operator/audit?" + urlencode({"q": self.id})


@dataclass(frozen=True, slots=True)
class PeoplePages:
    """The page and its forms."""

    sessions: OperatorSessions

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/people: show the live sign-ins of the account."""
        held = self.sessions.require(request, request_id)
        site, query = self.sessions.site, request.query_params
        search = query.get("q", "").strip()[:_LONGEST_SEARCH]
        after = query.get("after", "") if is_sign_in_id(query.get("after", "")) else ""
        with site.store_view.open(StoreAccess.READ, site.pipeline.now(), site.pipeline.home_region) as ctx:
            found = _found(ctx, held.account, search, after)
        values = {
            "rows": sorted(found.rows, key=lambda row: row.begun, reverse=True),
            "search": search,
            "first": not after,
            "following": f"{ADDRESS}?{urlencode({'q': search, 'after': found.after})}" if found.after else "",
            "done": query.get("done") == "revoked",
        }
        return console_page(request, "operator_people.html", held, values)

    def revoke(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/people/revoke: revoke one sign-in.

        With `All`, revoke all sign-ins of the same person.
        """
        require_form(request, fields)
        held = self.sessions.require(request, request_id)
        site, sign_in = self.sessions.site, fields.get("SignIn", "")
        caller = operator_caller(site, request, held)
        sign_ins = [sign_in]
        if fields.get("All"):
            with site.store_view.open(StoreAccess.READ, site.pipeline.now(), site.pipeline.home_region) as ctx:
                sign_ins = _of_person(ctx.reader, held.account, sign_in)
        for each in sign_ins:
            params = RevokeSignInParams(caller, each)
            site.pipeline.perform(
                RevokeSignIn(), params, params.audited(), as_sent(request), request_id, site.store_view, sign_in=None
            )
        return pages.redirect(f"{ADDRESS}?done=revoked")


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a page, and the position of the next page or ""."""

    rows: list[SignInRow]
    after: str


def _found(ctx: RequestContext, account: str, search: str, after: str) -> _Found:
    providers: dict[tuple[str, str], str] = {}
    rows: list[SignInRow] = []
    last, unread = after, _MOST_READ
    for session in islice(_each(ctx.reader, account, after), _MOST_READ):
        if len(rows) == _ROWS:
            return _Found(rows, last)
        last, unread = session.id, unread - 1
        if session.ends <= ctx.now or session.account != account:
            continue
        known = (session.provider, session.registration)
        if known not in providers:
            providers[known] = _provider_name(session, ctx)
        row = _row(session, providers[known])
        if row.provider and search.lower() in f"{row.person} {row.subject} {row.provider} {row.peer} {row.id}".lower():
            rows.append(row)
    # A search that ended here would hide the sign-ins behind it.
    return _Found(rows, "" if unread else last)


def _each(reader: Reader, account: str, after: str) -> Iterator[SignInSession]:
    while True:
        batch = list_sessions(reader, account, after, _BATCH)
        yield from batch
        if len(batch) < _BATCH:
            return
        after = batch[-1].id


def _provider_name(session: SignInSession, ctx: RequestContext) -> str:
    """Return the name of a sign-in's provider, or "" if it was removed."""
    if session.kind == "saml":
        provider = find_provider(ctx.reader, session.provider)
        return provider.name if provider is not None and provider.id == session.registration else ""
    client = find_client(session.provider, ctx)
    return "" if client is None else client.label or client.host


def _of_person(reader: Reader, account: str, sign_in: str) -> list[str]:
    found = records.find(reader, SignInSession, "", sign_in) if is_sign_in_id(sign_in) else None
    if found is None or found.account != account:
        raise NoSuchEntity("This sign-in does not exist in this account, or it has ended.")
    return [each.id for each in list_of_person(reader, found)][:_MOST_REVOKED]


def _row(session: SignInSession, provider: str) -> SignInRow:
    return SignInRow(
        id=session.id,
        person=visible(session.session_name or session.subject, _TEXT),
        subject=visible(session.subject, _TEXT),
        provider=visible(provider, _TEXT),
        peer=visible(session.peer, _TEXT),
        agent=visible(session.agent, _TEXT),
        begun=session.proven_at,
        ends=session.ends,
    )
