"""The loopback redirect URIs of a CLI sign-in.

A code is never sent to any other address.

* Only http with a literal loopback address and a port is valid (RFC 8252 section 7.3).
"""

import re
from urllib.parse import urlencode

from daypass.portal.cli_login.cli_sign_ins import CliSignIn

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4}))(?:/[A-Za-z0-9/_-]{0,64})?")
_LAST_PORT = 65_535


def is_loopback_address(uri: str) -> bool:
    """Tell whether a redirect_uri is a literal loopback address with a port."""
    match = _LOOPBACK.fullmatch(uri)
    return match is not None and int(match[2]) <= _LAST_PORT


def loopback_origin(uri: str) -> str:
    """Return scheme, host and port. Raises ValueError if it is not loopback."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None:
        raise ValueError(uri)
    return match[1]


def returning_url(settled: CliSignIn) -> str:
    """Return the redirect URL with the outcome of a CLI sign-in."""
    outcome = {"code": settled.code} if settled.outcome == "approved" else {"error": "access_denied"}
    return f"{settled.redirect_uri}?{urlencode({**outcome, 'state': settled.state})}"
