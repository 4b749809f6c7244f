"""The page behind the link of a delegation request: what its owner has to do, in words.

Owns the page. It says nothing of the request itself, for it asks nobody who they are; the commands that it prints do.
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
Somebody asks for a part of your rights, for a while.

Look at what is asked for, and by whom:
    aws iam get-delegation-request --delegation-request-id {id}

Take the request on, so that it is yours to decide:
    aws iam associate-delegation-request --delegation-request-id {id}

Accept it, and let the partner have the exchange token:
    aws iam accept-delegation-request --delegation-request-id {id}
    aws iam send-delegation-token --delegation-request-id {id}

Hand it up to an administrator, or refuse:
    aws iam update-delegation-request --delegation-request-id {id} --notes "..."
    aws iam reject-delegation-request --delegation-request-id {id} --notes "..."
"""


def delegation_page(path: str) -> HttpResponse:
    """Return the page of one request."""
    match = _ID.fullmatch(path)
    if match is None:
        return HttpResponse(404, _HEADERS, b"There is no such delegation request.\n")
    return HttpResponse(200, _HEADERS, _TEXT.format(id=match[1]).encode())
