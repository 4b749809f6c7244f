"""The portal's pages: templates, and the headers that every answer of the portal carries.

Owns the content security policy: no script at all, one stylesheet known by its hash, forms to ourselves alone, no
framing. Nothing that the portal answers may be kept by a cache.
"""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from daypass.wire.text import json_bytes

_STYLE = files("daypass.portal").joinpath("templates", "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "vary": "Accept",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

_environment = Environment(
    loader=PackageLoader("daypass.portal"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
# Markup because it is ours, to the letter: the policy above knows its hash.
_environment.globals["style"] = Markup(_STYLE)  # noqa: S704 - a file of ours


def is_json_wanted(request: Request) -> bool:
    """Tell whether the client names JSON and not HTML in Accept. A browser names HTML."""
    named = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    return "application/json" in named and "text/html" not in named


def page(template: str, values: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a page."""
    return HTMLResponse(_environment.get_template(template).render(values), status, HEADERS)


def json_answer(document: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a JSON document."""
    return Response(json_bytes(msgspec.json.encode(document)), status, HEADERS, "application/json")


def answer(request: Request, template: str, document: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a document as the page that shows it, or as JSON where the client asks for that."""
    if is_json_wanted(request):
        return json_answer(document, status=status)
    return page(template, {"it": document}, status=status)
