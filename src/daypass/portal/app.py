"""The application of the portal: its routes and the limits of requests.

Owns the routes, their rate limit, and the response to a refusal. A step runs on a worker thread, because it verifies
signatures and waits for the store.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, Unpack

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Send

from daypass.errors import AccessDenied, Fault, InternalFailure, InvalidParameterValue, Throttling
from daypass.federation.oidc.identify import KeysNeededError
from daypass.federation.oidc.issuers.endpoint_cache import EndpointCache
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.network.fetch import Fetcher
from daypass.portal import pages
from daypass.portal.approvals.authorize_request import PATH as AUTHORIZE
from daypass.portal.approvals.login_approval import LoginApproval
from daypass.portal.approvals.login_request import CONFIRMATION
from daypass.portal.approvals.login_request import PATH as AWS_LOGIN
from daypass.portal.approvals.program_approval import DEVICE as DEVICE_APPROVAL
from daypass.portal.approvals.program_approval import ProgramApproval
from daypass.portal.cli_login import outcome_pages
from daypass.portal.cli_login.cli_sign_in_api import LARGEST, CliSignInApi
from daypass.portal.cli_login.code_page import DevicePage
from daypass.portal.login import pending_login
from daypass.portal.login.login_pages import Login
from daypass.portal.login.oidc_login import LARGEST_FORM, OidcSignIn
from daypass.portal.login.saml_login import LARGEST_RESPONSE, SamlSignIn
from daypass.portal.login.session_start import SignOut
from daypass.portal.login.unrequested import ADDRESS as CONTINUE
from daypass.portal.login.unrequested import UnrequestedSignIn
from daypass.portal.operator.oidc_client_calls import OidcClientCalls
from daypass.portal.operator.operator_clients import ClientPages
from daypass.portal.operator.operator_console import OperatorConsole, console_refusal
from daypass.portal.operator.operator_entry import OperatorEntry
from daypass.portal.operator.operator_inspections import ADDRESS as TEST
from daypass.portal.operator.operator_inspections import OperatorInspections
from daypass.portal.operator.operator_pages import OperatorPages
from daypass.portal.operator.operator_people import PeoplePages
from daypass.portal.operator.operator_providers import ProviderPages
from daypass.portal.operator.operator_roles import RoleSessions
from daypass.portal.operator.operator_sessions import NotEnteredError, OperatorSessions
from daypass.portal.page_frame import THEMES, find_frame, set_frame, with_theme
from daypass.portal.request_body import read_distinct_fields, read_fields
from daypass.portal.roles.command_approval import CommandApproval
from daypass.portal.roles.role_choice import RoleChoice
from daypass.portal.roles.role_page import RolePage
from daypass.portal.sign_in_cookie import COOKIE, session_of
from daypass.portal.sign_in_tests import find_test
from daypass.portal.site import Site
from daypass.portal.start_page import StartPage
from daypass.sign_in.start_url import PATH as START
from daypass.wire.http import HttpRequest
from daypass.wire.other_services import refuse_unknown_path
from daypass.wire.rest_faults import JsonFault

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Step = Callable[[Request, Mapping[str, str], str], Response]
Handler = Callable[[Request], Awaitable[Response]]

_LARGEST_CHOICE = 16_384
# Each path matches in one way only: with two ways for a segment, a refusal takes time that doubles with each character.
_PAGE = re.compile(r"/(?:[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*/?)?")


@dataclass(frozen=True, slots=True)
class Portal:
    """The objects that the routes share.

    `within_rate_limit` counts requests by peer, like unsigned calls of the API.
    """

    site: Site
    fetcher: Fetcher
    issuer_keys: IssuerKeys
    within_rate_limit: Callable[[str], bool]
    new_request_id: Callable[[], str]
    report_bug: Callable[[str, Exception], None]
    workers: ThreadPoolExecutor
    audit_file: str = ""
    rotate_days: int = 0

    def shows(self, step: Step) -> Handler:
        """Return the handler of a page that is fetched with GET."""

        async def handle(request: Request) -> Response:
            return await self._run(request, step, None, takes_json=False)

        return handle

    def takes(self, step: Step, *, most: int, json: bool = False) -> Handler:
        """Return the handler of a form from one of our pages or a command.

        A body has at most `most` bytes.
        """

        async def handle(request: Request) -> Response:
            return await self._run(request, step, most, takes_json=json)

        return self._ours(handle)

    def receives(self, step: Step, *, most: int) -> Handler:
        """Return the handler of a cross-site form, as identity providers send it."""

        async def handle(request: Request) -> Response:
            return await self._run(request, step, most, takes_json=False)

        return handle

    def _ours(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            # Before the body is read, so that a cross-site request uses no resources or limits.
            try:
                self.site.require_our_page(request)
            except AccessDenied as fault:
                return _refused(request, fault, self.new_request_id())
            return await handler(request)

        return handle

    async def _run(self, request: Request, step: Step, most: int | None, *, takes_json: bool) -> Response:
        async def steps(request_id: str) -> Response:
            if most is not None:
                self.site.require_log()
            fields = {} if most is None else await read_fields(request, most=most, takes_json=takes_json)
            return await self.work(self._named(step), request, fields, request_id)

        return await self._guard(request, steps)

    def _named(self, step: Step) -> Step:
        """Return a step whose page names the signed-in person."""

        def run(request: Request, fields: Mapping[str, str], request_id: str) -> Response:
            if COOKIE in request.cookies:
                with self.site.ctx() as ctx:
                    session = session_of(request, ctx)
                find_frame().person = "" if session is None else session.session_name
            return step(request, fields, request_id)

        return run

    async def _guard(self, request: Request, steps: Callable[[str], Awaitable[Response]]) -> Response:
        request_id = self.new_request_id()
        try:
            self._admit(request)
            return await steps(request_id)
        except Fault as fault:
            return _refused(request, fault, request_id)
        except Exception as bug:  # noqa: BLE001 - the response to our own bug has a request id, never a traceback
            self.report_bug(request_id, bug)
            failure = InternalFailure("The request failed because of an unknown error.")
            return _refused(request, failure, request_id)

    def waits(self, steps: Callable[[Request, str], Awaitable[Response]]) -> Handler:
        """Return the handler of a page whose steps wait for another server."""

        async def handle(request: Request) -> Response:
            return await self._guard(request, partial(steps, request))

        return handle

    async def work(self, step: Callable[[Unpack[Ts]], T], *given: *Ts) -> T:
        """Run a step on a worker thread.

        Missing keys are fetched once, and the step runs again.
        """
        try:
            return await self._on_worker(step, *given)
        except KeysNeededError as needed:
            await asyncio.gather(*(self.issuer_keys.fetch(provider) for provider in needed.providers))
        return await self._on_worker(step, *given)

    async def _on_worker(self, step: Callable[[Unpack[Ts]], T], *given: *Ts) -> T:
        # The frame of the page is part of the context.
        in_context = partial(copy_context().run, step, *given)
        return await asyncio.get_running_loop().run_in_executor(self.workers, in_context)

    async def nothing_here(self, request: Request, error: Exception) -> Response:
        """Answer an unknown path or method: a client of the API gets an error."""
        scope, headers = request.scope, tuple(request.headers.raw)
        unread = HttpRequest(request.method, scope["raw_path"], scope["query_string"], headers, b"", "", secure=False)
        refusal = refuse_unknown_path(unread, self.new_request_id())
        if refusal is None:
            return await _nothing_here(request, error)
        response = Response(refusal.body, refusal.status)
        response.raw_headers.extend(refusal.headers)
        return response

    def _admit(self, request: Request) -> None:
        if not self.within_rate_limit(request.client.host if request.client else ""):
            raise Throttling("Rate exceeded")


def build_portal(portal: Portal) -> Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]:
    """Return the application for every path that no other handler serves."""
    application = Starlette(routes=_routes(portal), exception_handlers={HTTPException: portal.nothing_here})
    # Starlette would redirect a form for /saml/ to /saml: to the host in the request, and without TLS if a proxy
    # terminated it. Here each path has one spelling.
    application.router.redirect_slashes = False

    async def serve(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        set_frame(Request(scope), portal.site.settings.branding)  # type: ignore[arg-type]
        await application(dict(scope), receive, send)

    return serve


def _routes(portal: Portal) -> list[Route]:
    site = portal.site
    choice = RoleChoice(site)
    sessions, clients = OperatorSessions(site), OidcClientCalls(site)
    inspections = OperatorInspections(sessions, clients)
    saml = SamlSignIn(site, choice, inspections.saml_report)
    places = EndpointCache(portal.fetcher, site.pipeline.now)
    oidc = OidcSignIn(site, choice, portal.fetcher, places)
    login = Login(site, saml, oidc)
    programs, logins = ProgramApproval(site), LoginApproval(site)
    device = DevicePage(site, login.providers, programs.show_device)
    roles, approval, sign_out = RolePage(site), CommandApproval(site), SignOut(site)
    unrequested = UnrequestedSignIn(site)
    commands = CliSignInApi(site)
    console = OperatorConsole(
        OperatorEntry(sessions),
        OperatorPages(site, sessions, portal.audit_file, portal.rotate_days),
        PeoplePages(sessions),
        RoleSessions(sessions, portal.audit_file),
        ProviderPages(sessions, ClientPages(sessions, clients)),
    )
    start = StartPage(site)
    small = _LARGEST_CHOICE
    gets: tuple[tuple[str, Step], ...] = (
        ("/login", login.landing),
        ("/login/", login.landing),
        (START, start.show),
        (START + "/", start.show),  # as people copy it: the AWS CLI would show them the 404
        ("/login/saml/{key}", login.begin_saml),
        ("/saml/metadata.xml", saml.metadata),
        ("/saml/certificate.pem", saml.certificate),
        ("/device", device.show_form),
        (AUTHORIZE, programs.show),
        (AWS_LOGIN, logins.show),
        (CONFIRMATION, logins.show_code),
        *console.gets(),
        ("/handover/done", outcome_pages.done),
        ("/handover/declined", outcome_pages.declined),
        ("/handover/at/{handle}", login.hand_over),
        ("/handover/approve/{handle}", approval.show),
        (f"{CONTINUE}/{{token}}", unrequested.show),
        ("/roles", roles.show),
        ("/roles/", roles.show),
        ("/roles/credentials/{handle}", roles.credentials),
    )
    posts: tuple[tuple[str, Handler], ...] = (
        ("/saml", portal.receives(saml.receive, most=LARGEST_RESPONSE)),
        ("/saml/role", portal.takes(oidc.keys_first, most=small, json=True)),
        ("/login/role", portal.takes(oidc.keys_first, most=small, json=True)),
        ("/login/decline", portal.takes(choice.decline, most=small)),
        *((path, portal.takes(step, most=most)) for path, step, most in console.posts()),
        ("/login/file", portal.takes(choice.file, most=4 * small)),
        ("/device", portal.takes(device.take, most=small)),
        (AUTHORIZE, portal.takes(programs.decide, most=small)),
        (AWS_LOGIN, portal.takes(logins.decide, most=small)),
        (DEVICE_APPROVAL, portal.takes(programs.decide_device, most=small)),
        ("/theme", portal.takes(_change_theme, most=small)),
        ("/login/continue", portal.takes(unrequested.take, most=small)),
        ("/roles/credentials", portal.takes(roles.take, most=small)),
        ("/roles/favourites", portal.takes(roles.favourites, most=small)),
        ("/handover/approve", portal.takes(approval.approve, most=small)),
        ("/handover/decline", portal.takes(approval.decline, most=small)),
        ("/sign-out", portal.takes(sign_out.end, most=small)),
        ("/handover", portal.takes(commands.begin, most=LARGEST, json=True)),
        ("/handover/token", portal.takes(commands.redeem, most=LARGEST, json=True)),
    )

    async def begin_oidc(request: Request, request_id: str) -> Response:  # noqa: ARG001 - steps
        client = await portal.work(oidc.get_client, request.path_params["key"])
        return await portal.work(oidc.begin, request, client, await oidc.endpoints(client))

    async def begin_test(request: Request, request_id: str) -> Response:
        query = request.query_params
        try:
            if query.get("client"):
                test = await portal.work(inspections.plan_oidc, request, query["client"], request_id)
                client = await portal.work(oidc.get_client, test.provider)
                return await portal.work(oidc.begin, request, client, await oidc.endpoints(client), test.name)
            test = await portal.work(inspections.plan_saml, request, query.get("saml", ""), request_id)
            return await portal.work(saml.begin_test, request, test)
        except NotEnteredError:
            return await portal.work(console.entry.lead, request)
        except Fault as fault:
            return console_refusal(request, fault, request_id)

    async def end_oidc(request: Request, request_id: str) -> Response:
        if request.method == "POST":
            site.require_log()
            sent = await read_distinct_fields(request, most=LARGEST_FORM)
        else:
            sent = dict(request.query_params)
        pending, client = await portal.work(oidc.returned, request, sent, request_id)
        token = await oidc.redeem(request, sent, pending, client, request_id)
        test = find_test(pending.handover)
        if test is not None:
            with suppress(Fault):  # The report says that the keys are missing.
                await portal.work(inspections.require_keys, test, client)
            report = await portal.work(inspections.oidc_report, request, test, client, token, pending.nonce, request_id)
            return pending_login.forget(report, pending)
        return await portal.work(oidc.offer, request, pending, client, token, request_id)

    return [
        # A provider may answer in the URL or with a cross-site form.
        Route(TEST, portal.waits(begin_test), methods=["GET"]),
        Route("/login/oidc/callback/{issuer:path}", portal.waits(end_oidc), methods=["GET", "POST"]),
        Route("/login/oidc/clients/{key}/jwks.json", portal.shows(oidc.keys), methods=["GET"]),
        Route("/login/oidc/{key}", portal.waits(begin_oidc), methods=["GET"]),
        Route("/assets/{version}/{name}", _asset, methods=["GET"]),
        *(Route(path, handler, methods=["POST"]) for path, handler in posts),
        *(Route(path, portal.shows(step), methods=["GET"]) for path, step in gets),
    ]


async def _asset(request: Request) -> Response:
    return pages.asset(request.url.path) or await _nothing_here(request, HTTPException(404))


def _refused(request: Request, fault: Fault, request_id: str) -> Response:
    if isinstance(fault, JsonFault):
        return _refused_in_protocol(request, fault, request_id)
    error = {"Type": fault.blame.value, "Code": fault.code, "Message": fault.message}
    return pages.answer(request, "refusal.html", {"Error": error, "RequestId": request_id}, status=fault.status)


def _refused_in_protocol(request: Request, fault: JsonFault, request_id: str) -> Response:
    """Return a refusal of SSO OIDC: a page for browsers, else its JSON."""
    if pages.is_html_wanted(request):
        error = {"Type": fault.blame.value, "Code": fault.code, "Message": fault.message}
        page = pages.page("refusal.html", {"it": {"Error": error, "RequestId": request_id}}, status=fault.status)
    else:
        page = pages.json_answer({"error": fault.error, "error_description": fault.message}, status=fault.status)
    page.headers["x-amzn-errortype"] = fault.code
    return page


def _change_theme(request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG001 - a step
    """POST /theme: keep the chosen theme, and return to the page.

    A script shows the theme at once and asks to stay on the page.
    """
    theme, back = fields.get("Theme", ""), fields.get("Back", "")
    if theme not in THEMES:
        raise InvalidParameterValue("Theme must be one of " + ", ".join(THEMES))
    if fields.get("Stay"):
        return with_theme(Response(status_code=204, headers=dict(pages.HEADERS)), theme)
    return with_theme(pages.redirect(back if _PAGE.fullmatch(back) else "/login"), theme)


async def _nothing_here(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method with a sentence, or a page for a browser."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(getattr(error, "headers", None) or {}) | {"cache-control": "no-store"}
    if status == 405:  # noqa: PLR2004 - Method Not Allowed
        title, text = "Method not allowed", f"{request.url.path} accepts only {headers.get('Allow', 'POST')}."
    else:
        title, text = "Page not found", "The API is at /."
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(f"{title}. {text}\n", status, headers)
    page = pages.page("nothing.html", {"title": title}, status=status)
    page.headers.update(headers)
    return page
