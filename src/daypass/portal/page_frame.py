"""The frame of every page: organization, theme, signed-in person, version.

Owns the values that templates find as `frame`, and the cookie of the chosen theme. The application sets the frame of a
request once; a page that is rendered for the request uses it, so that no step passes it on.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from daypass.operations.settings import Branding

Theme = Literal["", "light", "dark"]

_COOKIE = "__Host-daypass-theme"
_YEAR = 365 * 86_400
THEMES: dict[str, Theme] = {"system": "", "light": "light", "dark": "dark"}
"""The themes of the switch. The system's is the absence of a choice."""


def _version() -> str:
    try:
        return version("daypass")
    except PackageNotFoundError:
        return ""


VERSION = _version()


@dataclass(slots=True)
class PageFrame:
    """The values around a page.

    `path` is the page itself if a browser can fetch it again, else an entrance. `person` is the name of the signed-in
    person, or empty.
    """

    branding: Branding = field(default_factory=Branding)
    theme: Theme = ""
    path: str = "/login"
    person: str = ""
    version: str = VERSION


_current: ContextVar[PageFrame] = ContextVar("page_frame")


def set_frame(request: Request, branding: Branding) -> PageFrame:
    """Set and return the frame of a request.

    Threads that copy the context share it.
    """
    path = request.url.path if request.method == "GET" else "/login"
    frame = PageFrame(branding, THEMES.get(request.cookies.get(_COOKIE, ""), ""), path)
    _current.set(frame)
    return frame


def find_frame() -> PageFrame:
    """Return the frame of the current request, or an empty one."""
    return _current.get(PageFrame())


def with_theme(response: Response, theme: str) -> Response:
    """Set the cookie of a theme, or delete it for the system's."""
    if THEMES.get(theme):
        response.set_cookie(_COOKIE, theme, max_age=_YEAR, path="/", secure=True, httponly=True, samesite="lax")
    else:
        response.delete_cookie(_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
