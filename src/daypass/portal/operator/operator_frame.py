"""The frame of every page of the operator console.

Owns the values that all pages share, and the rule that a form belongs to the session of its browser.
"""

import hmac
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from daypass.errors import AccessDenied
from daypass.portal import pages
from daypass.portal.operator.operator_sessions import OperatorCredentials, form_token


def console_page(request: Request, template: str, held: OperatorCredentials, values: Mapping[str, Any]) -> Response:
    """Return a page of the console."""
    more = {"arn": held.arn, "account": held.account, "form": form_token(request), "signed_in": bool(held.sign_in)}
    return pages.page(template, {**values, **more})


def require_form(request: Request, fields: Mapping[str, str]) -> None:
    """Raise AccessDenied if a form does not have the token of this session."""
    if not hmac.compare_digest(fields.get("Form", "").encode(), form_token(request).encode()):
        raise AccessDenied("This form belongs to another session. Reload the page.")
