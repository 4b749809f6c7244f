"""AWS's own signing test suite decides about the canonical request.

The suite is read from outside the repository.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.components import find_vectors

from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.authenticate.sigv4.verify import verify_signature
from daypass.errors import SignatureDoesNotMatch
from daypass.wire.http import HttpRequest

VECTORS = find_vectors()
SUITE = Path(VECTORS or "", "sigv4/aws-c-auth/aws-signing-test-suite/v4")
CASES = sorted(SUITE.iterdir()) if VECTORS else []
# What other services sign and STS does not: paths left as they are, and a token added after signing.
OTHERS = frozenset(
    {
        "get-relative-relative-unnormalized",
        "get-relative-unnormalized",
        "get-slash-dot-slash-unnormalized",
        "get-slash-pointless-dot-unnormalized",
        "get-slash-unnormalized",
        "get-slashes-unnormalized",
        "post-sts-header-after",
    }
)

pytestmark = pytest.mark.component("vectors")


def name_of(case: Path | None) -> str:
    """Return the name of a case. Without the suite there is one that is skipped, and says why."""
    return "no vectors" if case is None else case.name


def read_request(path: Path) -> HttpRequest:
    """Read a request in the format of the suite.

    Header lines are folded, line feeds are bare, and the path may contain spaces.
    """
    head, _, body = path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, rest = first.partition(b" ")
    url, _, query = rest.rsplit(b" ", 1)[0].partition(b"?")
    headers: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            name, value = headers.pop()
            headers.append((name, value + b" " + line))
        else:
            name, _, value = line.partition(b":")
            headers.append((name.lower(), value))
    return HttpRequest(method.decode(), url, query, tuple(headers), body, peer="127.0.0.1", secure=False)


def verify(case: Path, way: str) -> None:
    """Verify the request that one case signed in one way."""
    context: dict[str, Any] = json.loads((case / "context.json").read_text())
    request = read_request(case / f"{way}-signed-request.txt")
    found = find_signature(request)
    secret = context["credentials"]["secret_access_key"]
    key = signing_key(secret, found.date, found.region, found.service)
    verify_signature(found, request, signing_key=key)


@pytest.mark.parametrize("way", ["header", "query"])
@pytest.mark.parametrize("case", [case for case in CASES if case.name not in OTHERS] or [None], ids=name_of)
def test_the_suite_verifies(case: Path, way: str) -> None:
    """The cases for STS verify, in the header and in the query."""
    verify(case, way)


@pytest.mark.parametrize("way", ["header", "query"])
@pytest.mark.parametrize("case", [case for case in CASES if case.name in OTHERS] or [None], ids=name_of)
def test_what_other_services_sign_is_refused(case: Path, way: str) -> None:
    """A path is always normalized, and a session token is always signed."""
    with pytest.raises(SignatureDoesNotMatch):
        verify(case, way)
