"""The last pages of a CLI sign-in: approved or declined.

They say only what this browser did. Its cookie has the outcome for some minutes: without one, the pages congratulate
nobody, so that a link to them reassures no visitor of an attacker's page.
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from daypass.portal import pages
from daypass.portal.cli_login.cli_sign_ins import MINUTES

_COOKIE = "__Host-daypass-outcome"
_APPROVED = {"title": "Sign-in approved", "text": "Return to your terminal. You can close this page.", "good": True}
_DECLINED = {
    "title": "Sign-in declined",
    "text": "The command does not get credentials. You can close this page.",
    "good": False,
}
_UNKNOWN = {
    "title": "No recent sign-in",
    "text": "This browser has not approved or declined the sign-in of a command in the last minutes.",
    "good": False,
}


def with_outcome(response: Response, outcome: str) -> Response:
    """Remember the outcome in this browser for its last page."""
    seconds = int(MINUTES.total_seconds())
    # Lax: the redirect from the command's listener, which is another site, must bring it along.
    response.set_cookie(_COOKIE, outcome, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
    return response


def done(request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG001 - a step
    """GET /handover/done: the last page of a CLI sign-in."""
    return pages.page("end.html", _APPROVED if _outcome(request) == "approved" else _UNKNOWN)


def declined(request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG001 - a step
    """GET /handover/declined: the last page of a declined CLI sign-in."""
    return pages.page("end.html", _DECLINED if _outcome(request) == "declined" else _UNKNOWN)


def _outcome(request: Request) -> str:
    return request.cookies.get(_COOKIE, "")
