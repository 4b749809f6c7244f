"""Signatures: an unsigned request raises only faults, and a signature covers its declared parts."""

from urllib.parse import unquote_to_bytes

import msgspec
from tests.authenticate.sigv4.signing import FORM_TYPE, NOW, SECRET, SERVICES, presign, sign, unsigned
from tests.fuzz.choices import Choices, mutated

from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.scope import check_scope
from daypass.authenticate.sigv4.signature import VerifiedSignature
from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.authenticate.sigv4.verify import verify_signature
from daypass.errors import Fault
from daypass.wire.http import HttpRequest

_NAMES = (
    b"authorization",
    b"x-amz-date",
    b"date",
    b"host",
    b"x-amz-security-token",
    b"x-amz-content-sha256",
    b"content-type",
)
_TARGET = "/a%20b/?Action=GetCallerIdentity&Version=2011-06-15&b=2&a=1"
_GENUINE = (
    sign(unsigned()),
    sign(unsigned(headers=(FORM_TYPE, ("X-Extra", "  some   value "))), token="tok/en+"),
    sign(unsigned("GET", _TARGET, (), b"")),
    presign(unsigned("GET", _TARGET, (), b"")),
    presign(unsigned("POST", "/?x=%2B+y", (), b""), token="tok/en+"),
)


def fuzz_one(data: bytes) -> None:
    """Verify a request of arbitrary parts, or a signed one that was damaged."""
    choices = Choices(data)
    choices.pick((_raw, _bent))(choices)


def _verified(request: HttpRequest) -> VerifiedSignature | None:
    try:
        found = find_signature(request)
        check_scope(found, services=SERVICES, is_region=bool, now=NOW)
        key = signing_key(SECRET, found.date, found.region, found.service)
        return verify_signature(found, request, signing_key=key)
    except Fault:
        return None


def _raw(choices: Choices) -> None:
    names = [choices.pick(_NAMES) if choices.below(4) else choices.chunk().lower() for _ in range(choices.below(8))]
    headers = tuple((name, choices.chunk()) for name in names)
    method, path = choices.pick(("GET", "POST", "PUT")), b"/" + choices.chunk()
    request = HttpRequest(method, path, choices.chunk(), headers, choices.chunk(), "127.0.0.1", secure=False)
    assert _verified(request) is None, "nobody signed this"


def _bent(choices: Choices) -> None:
    genuine = choices.pick(_GENUINE)
    bent = genuine
    for _ in range(1 + choices.below(3)):
        bent = _changed(bent, choices)
    verified = _verified(bent)
    if verified is None:
        return
    assert verified.signed_headers == _expected(genuine).signed_headers
    assert _meaning(bent, verified) == _meaning(genuine, verified), "what was signed can be altered"


def _expected(request: HttpRequest) -> VerifiedSignature:
    verified = _verified(request)
    assert verified is not None
    return verified


def _changed(request: HttpRequest, choices: Choices) -> HttpRequest:
    kind, headers = choices.below(7), list(request.headers)
    place = choices.below(len(headers))
    if kind == 0:
        return msgspec.structs.replace(request, query=mutated(request.query, choices))
    if kind == 1:
        return msgspec.structs.replace(request, body=mutated(request.body, choices))
    if kind == 2:
        return msgspec.structs.replace(request, path=b"/" + mutated(request.path[1:], choices))
    if kind == 3:
        headers[place] = (headers[place][0], mutated(headers[place][1], choices))
    elif kind == 4:
        headers.insert(place, (choices.pick(_NAMES), choices.chunk()))
    elif kind == 5:
        headers.insert(choices.below(len(headers)), headers.pop(place))
    else:
        return msgspec.structs.replace(request, method=choices.pick(("GET", "POST", "PUT")))
    return msgspec.structs.replace(request, headers=tuple(headers))


def _meaning(request: HttpRequest, verified: VerifiedSignature) -> object:
    """Return the signed meaning of a request, by rules that are independent of the verifier."""
    pairs = [tuple(unquote_to_bytes(part) for part in each.partition(b"=")[::2]) for each in request.query.split(b"&")]
    query = sorted(pair for pair in pairs if pair[0] != b"X-Amz-Signature" and any(pair))
    headers: dict[bytes, list[bytes]] = {name: [] for name in verified.signed_headers}
    for name, value in request.headers:
        if name in headers:
            headers[name].append(b" ".join(value.split()))
    joined = {name: b",".join(values) for name, values in headers.items()}
    return request.method, query, joined, request.body
