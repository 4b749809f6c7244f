"""The page for short codes: of CLI sign-ins and of other programs.

It follows RFC 8628 section 3.3. A code of a program leads to the approval of a person who is signed in. For a CLI
sign-in, owns the binding of the code to the browser in which it was entered, so that an attacker cannot send another
person a link that skips this page.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from daypass.base64url import to_base64url
from daypass.directory.store import Reader
from daypass.errors import ExpiredTokenException, Throttling
from daypass.operations.request_context import RequestContext
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.cli_login.cli_sign_ins import CliSignIn
from daypass.portal.continue_at import continue_at
from daypass.portal.sign_in_cookie import session_of
from daypass.portal.site import Site, peer_of
from daypass.sign_in import device_codes, short_codes
from daypass.sign_in.device_codes import DeviceRequest

_COOKIE = "__Host-daypass-device"
_LONGEST = 64
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_WRONG = "That code is not valid or has expired. Check your terminal; a code is valid for a few minutes."
_TOO_MANY = "Too many wrong codes came from your network. Wait five minutes, then run the command again."


@dataclass(frozen=True, slots=True)
class DevicePage:
    """The steps of the code page.

    `providers` returns the next page of a CLI sign-in, `approval` that of a program with a device code.
    """

    site: Site
    providers: Callable[[Request, RequestContext, CliSignIn, str], Response]
    approval: Callable[[RequestContext, Request, DeviceRequest], Response]

    def show_form(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /device: show the form for the code.

        A program may put its code into the address. Then a person signs in first, and confirms the code.
        """
        code = short_codes.read_code(request.query_params.get("user_code", ""))
        if not code:
            return _form("")
        shown = short_codes.shown_code(code)
        with self.site.ctx() as ctx:
            if session_of(request, ctx) is None:
                return pages.redirect(f"/login?next={continue_at(f'/device?user_code={shown}', ctx)}")
        return _form("", code=shown)

    def take(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """POST /device: show the requesting command and the sign-in."""
        with self.site.ctx() as ctx:
            try:
                found = _try_code(fields.get("code", ""), peer_of(request), ctx)
            except Throttling:
                return _form(_TOO_MANY, status=429)
            if found is None:
                return _form(_WRONG, status=400)
            if isinstance(found, DeviceRequest):
                return self.approval(ctx, request, found)
            # A browser keeps one secret for the codes of all its tabs.
            known = request.cookies.get(_COOKIE, "")
            new = to_base64url(ctx.entropy(32))
            secret = known if _SECRET.fullmatch(known) else new
            handle = cli_sign_ins.handle_of(found, ctx, bound_to=secret)
            page = self.providers(request, ctx, found, handle)
        seconds = int(cli_sign_ins.MINUTES.total_seconds())
        page.set_cookie(_COOKIE, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict")
        return page


def bound_sign_in(handle: str, request: Request, ctx: RequestContext) -> CliSignIn:
    """Return the CLI sign-in that a login starts for.

    In device mode, the code must have been entered in this browser. Raises ExpiredTokenException otherwise.
    """
    secret = request.cookies.get(_COOKIE, "")[:_LONGEST]
    if secret:
        try:
            return cli_sign_ins.find(handle, ctx, bound_to=secret)
        except ExpiredTokenException:
            pass  # The cookie may be of an earlier code, and this request of a local command.
    found = cli_sign_ins.find(handle, ctx)
    if found.mode != "loopback":
        raise ExpiredTokenException("Enter the code from your terminal at /device.")
    return found


def _try_code(typed: str, peer: str, ctx: RequestContext) -> CliSignIn | DeviceRequest | None:
    """Return what a code of either kind names, or None. Raises Throttling."""

    def find(reader: Reader, code: str) -> CliSignIn | DeviceRequest | None:
        command = cli_sign_ins.find_by_code(reader, code, ctx)
        if command is not None:
            return command
        return device_codes.find_by_code(reader, code, ctx)

    return short_codes.try_code(typed, peer, find, ctx)


def _form(problem: str, *, code: str = "", status: int = 200) -> Response:
    return pages.page("device.html", {"problem": problem, "code": code}, status=status)
