"""The templates, assets and response headers of the portal.

Owns the content security policy: scripts and styles are our own files and never inline, images are our own files or in
the page itself, forms are sent only to this server (and to one more address, if a page requires it), and frames are
forbidden. Caches must not store any response except the assets.
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
from daypass.portal.page_frame import find_frame
from daypass.portal.refusal_text import refusal_text
from daypass.wire.safe_text import json_bytes
from daypass.wire.visible_text import visible

_ASSETS: Mapping[str, str] = {
    "portal.css": "text/css; charset=utf-8",
    "operator.css": "text/css; charset=utf-8",
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
    """Return a content security policy.

    `forms_to` are allowed form targets beside this server.
    """
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
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
# A changed file has a new address, so browsers can cache forever.
_addresses = {name: f"/assets/{hashlib.sha256(body).hexdigest()[:16]}/{name}" for name, body in _bodies.items()}
_by_address = {address: name for name, address in _addresses.items()}

# Read once: after an upgrade on disk, new templates would not match the running code.
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
_environment.filters["refusal_text"] = refusal_text


def asset(path: str) -> Response | None:
    """Return the asset at an address, or None."""
    name = _by_address.get(path)
    if name is None:
        return None
    headers = {**_SAFE, "cache-control": "public, max-age=31536000, immutable"}
    return Response(_bodies[name], 200, headers, _ASSETS.get(name, "text/css; charset=utf-8"))


def is_json_wanted(request: Request) -> bool:
    """Tell whether Accept contains JSON and not HTML. Browsers send HTML."""
    named = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    return "application/json" in named and "text/html" not in named


def is_html_wanted(request: Request) -> bool:
    """Tell whether Accept contains HTML, as that of browsers does."""
    return "text/html" in request.headers.get("accept", "").lower()


def page(template: str, values: Mapping[str, Any], *, status: int = 200, forms_to: Sequence[str] = ()) -> Response:
    """Return a rendered template."""
    headers = {**HEADERS, "content-security-policy": policy(forms_to)} if forms_to else HEADERS
    text = _environment.get_template(template).render({"frame": find_frame(), **values})
    return HTMLResponse(text, status, headers)


def json_answer(document: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a JSON document."""
    return Response(json_bytes(msgspec.json.encode(document)), status, HEADERS, "application/json")


def redirect(url: str) -> Response:
    """Return a redirect (303) to a URL."""
    return RedirectResponse(url, 303, HEADERS)


def answer(request: Request, template: str, document: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return a document as a page, or as JSON if the client requests JSON."""
    if is_json_wanted(request):
        return json_answer(document, status=status)
    return page(template, {"it": document}, status=status)
