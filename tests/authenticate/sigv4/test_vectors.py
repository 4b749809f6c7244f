"""AWS's own signing test suite decides about the canonical request.

The suite is outside the repository, in two layouts. botocore's has one signed request for each case; aws-c-auth's has
one signed in the header and one in the query. The tests read each layout in the directory of DAYPASS_TEST_VECTORS.
"""

from pathlib import Path

import pytest
from tests.components import find_vector_paths

from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.authenticate.sigv4.verify import verify_signature
from daypass.errors import SignatureDoesNotMatch
from daypass.wire.http import HttpRequest

SUITES = find_vector_paths("auth/aws4_testsuite", "sigv4/aws-c-auth/aws-signing-test-suite/v4")
# A file is in the folder of its case: get-vanilla/get-vanilla.sreq or get-vanilla/header-signed-request.txt.
SIGNED = sorted(path for suite in SUITES for name in ("*.sreq", "*-signed-request.txt") for path in suite.rglob(name))
# The whole suite is signed with one key, at one time, for one service.
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SCOPE = ("AKIDEXAMPLE", "20150830T123600Z", "20150830", "us-east-1", "service")
# Only other services accept these: a path that is not normalised, and a token that is added after signing. AWS also
# sorts the values of a repeated parameter. Here they keep their order, so that they cannot be exchanged under a
# valid signature (docs/decisions/0010-tokens-and-signatures.md).
OTHERS = frozenset(
    {
        "get-relative-relative-unnormalized",
        "get-relative-unnormalized",
        "get-slash-dot-slash-unnormalized",
        "get-slash-pointless-dot-unnormalized",
        "get-slash-unnormalized",
        "get-slashes-unnormalized",
        "get-vanilla-query-order-key",
        "get-vanilla-query-order-value",
        "post-sts-header-after",
    }
)

pytestmark = pytest.mark.component("vectors")


def name_of(path: Path | None) -> str:
    """Return the name of a case. Without the suite there is one that is skipped, and says why."""
    return "no vectors" if path is None else f"{path.parent.name}/{path.name}"


def read_request(path: Path) -> HttpRequest:
    """Read a request in the format of the suite.

    Header lines are folded, line feeds are bare, and the path may contain spaces. In botocore's layout .authz has the
    header Authorization, for which .sreq may have a placeholder.
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
    if path.suffix == ".sreq":
        headers = [header for header in headers if header[0] != b"authorization"]
        headers.append((b"authorization", path.with_suffix(".authz").read_bytes().strip()))
    return HttpRequest(method.decode(), url, query, tuple(headers), body, peer="127.0.0.1", secure=False)


def verify(path: Path) -> None:
    """Verify the signed request of one file."""
    request = read_request(path)
    found = find_signature(request)
    assert (found.access_key_id, found.timestamp, found.date, found.region, found.service) == SCOPE
    key = signing_key(SECRET, found.date, found.region, found.service)
    verify_signature(found, request, signing_key=key)


@pytest.mark.parametrize("path", [path for path in SIGNED if path.parent.name not in OTHERS] or [None], ids=name_of)
def test_the_suite_verifies(path: Path) -> None:
    """The cases for STS verify, in the header and in the query."""
    verify(path)


@pytest.mark.parametrize("path", [path for path in SIGNED if path.parent.name in OTHERS] or [None], ids=name_of)
def test_what_other_services_sign_is_refused(path: Path) -> None:
    """A path is always normalized, a session token is always signed, and repeated parameters keep their order."""
    with pytest.raises(SignatureDoesNotMatch):
        verify(path)
