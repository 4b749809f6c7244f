"""The addresses on a person's own machine that a hand-over may end at.

Owns which those are. Nothing else is ever redirected to with a code.
Rules: RFC 8252 7.3.
"""

import re
from urllib.parse import urlencode

from daypass.portal.handovers import Handover

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4}))(?:/[A-Za-z0-9/_-]{0,64})?")
_LAST_PORT = 65_535


def is_loopback_address(uri: str) -> bool:
    """Tell whether a redirect_uri is a port of the browser's own machine, by number and not by name."""
    match = _LOOPBACK.fullmatch(uri)
    return match is not None and int(match[2]) <= _LAST_PORT


def loopback_origin(uri: str) -> str:
    """Return scheme, host and port."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None:
        raise ValueError(uri)
    return match[1]


def returning_url(settled: Handover) -> str:
    """Return where the browser goes with the outcome of a hand-over."""
    outcome = {"code": settled.code} if settled.outcome == "approved" else {"error": "access_denied"}
    return f"{settled.redirect_uri}?{urlencode({**outcome, 'state': settled.state})}"
