"""The portal's pages: templates, the files beside them, and the headers that every answer of the portal carries.

Owns the content security policy: scripts and styles are files of ours and never inline, forms go to ourselves alone
(and, where a page says so, to the one address that it hands over to), no framing. Nothing that the portal answers may
be kept by a cache, but for the style and the script.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from daypass.drawing.trust_svg import STYLE
from daypass.portal.next_steps import next_step
from daypass.wire.text import json_bytes
from daypass.wire.visible import visible

_ASSETS: Mapping[str, str] = {
    "portal.css": "text/css; charset=utf-8",
    "portal.js": "text/javascript; charset=utf-8",
    "daypass.svg": "image/svg+xml",
}
_DRAWN = "graph.css"
_SAFE: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


def policy(forms_to: Sequence[str] = ()) -> str:
    """Return the content security policy of a page whose forms may end at `forms_to` beside ourselves."""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        f"form-action {' '.join((chr(39) + 'self' + chr(39), *forms_to))}; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


HEADERS: Mapping[str, str] = {
    **_SAFE,
    "content-security-policy": policy(),
    "cache-control": "no-store",
    "vary": "Accept",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

_bodies = {name: files("daypass.portal").joinpath("assets", name).read_bytes() for name in _ASSETS}
_bodies[_DRAWN] = STYLE.encode()
# A changed file has another address, so that a browser may keep each for ever.
_addresses = {name: f"/assets/{hashlib.sha256(body).hexdigest()[:16]}/{name}" for name, body in _bodies.items()}
_by_address = {address: name for name, address in _addresses.items()}

# Read once: pages of a newer version, put in place under a running server, would not fit the program that fills them.
_templates = files("daypass.portal").joinpath("templates")
_environment = Environment(
    loader=DictLoader({page.name: page.read_text(encoding="utf-8") for page in _templates.iterdir() if page.is_file()}),
    auto_reload=False,
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals["assets"] = _addresses
_environment.filters["visible"] = visible
_environment.filters["next_step"] = next_step


def asset(path: str) -> Response | None:
    """Return the file at an address, or None."""
    name = _by_address.get(path)
    if name is None:
        return None
    headers = {**_SAFE, "cache-control": "public, max-age=31536000, immutable"}
    return Response(_bodies[name], 200, headers, _ASSETS.get(name, "text/css; charset=utf-8"))


def is_json_wanted(request: Request) -> bool:
    """Tell whether the client names JSON and not HTML in Accept. A browser names HTML."""
    named = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    return "application/json" in named and "text/html" not in named


def page(template: str, values: Mapping[str, Any], *, status: int = 200, forms_to: Sequence[str] = ()) -> Response:
    """Return a page."""
    headers = {**HEADERS, "content-security-policy": policy(forms_to)} if forms_to else HEADERS
    return HTMLResponse(_environment.get_template(template).render(values), status, headers)


def json_answer(document: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a JSON document."""
    return Response(json_bytes(msgspec.json.encode(document)), status, HEADERS, "application/json")


def redirect(url: str) -> Response:
    """Send the browser elsewhere, to get what is there."""
    return RedirectResponse(url, 303, HEADERS)


def answer(request: Request, template: str, document: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a document as the page that shows it, or as JSON where the client asks for that."""
    if is_json_wanted(request):
        return json_answer(document, status=status)
    return page(template, {"it": document}, status=status)
