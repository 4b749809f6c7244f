"""The page that a delegation request links to: the owner's next steps.

It does not show the request, because it does not authenticate the reader; the commands on the page do.
"""

import re

from daypass.wire.http import HttpResponse

PREFIX = "/delegation/"

_ID = re.compile(r"/delegation/(dr-[0-9a-f]{32})")
_HEADERS = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_TEXT = """\
A partner requests temporary access with a part of your permissions.

Show the request and the partner:
    aws iam get-delegation-request --delegation-request-id {id}

Associate the request with yourself, so that you can decide it:
    aws iam associate-delegation-request --delegation-request-id {id}

Accept it, and send the exchange token to the partner:
    aws iam accept-delegation-request --delegation-request-id {id}
    aws iam send-delegation-token --delegation-request-id {id}

Forward it to an administrator, or reject it:
    aws iam update-delegation-request --delegation-request-id {id} --notes "..."
    aws iam reject-delegation-request --delegation-request-id {id} --notes "..."
"""


def delegation_page(path: str) -> HttpResponse:
    """Return the page of one request."""
    match = _ID.fullmatch(path)
    if match is None:
        return HttpResponse(404, _HEADERS, b"Delegation request not found.\n")
    return HttpResponse(200, _HEADERS, _TEXT.format(id=match[1]).encode())
