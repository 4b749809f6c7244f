"""Verify a whole request, with its body, in one call.

Owns the public `verify`. Leaves bodies that do not fit into memory to the middlewares.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import RequestHead, build_head
from daypass.verify.hidden_members import hidden_rich_repr
from daypass.verify.keys import Keys
from daypass.verify.refusals import HeadError, VerifyError, VerifyReason
from daypass.verify.services.routes import decode_path
from daypass.verify.signature import plain_profile, s3_profile, verify_head

RequestHeaders = Mapping[str, str] | Iterable[tuple[bytes, bytes]]


class Request(msgspec.Struct, frozen=True):
    """A request as it was sent.

    `target` is the path with its query, percent-encoded as sent: a framework's decoded path has lost bytes that the
    signature covers. `headers` are a mapping, or pairs of bytes as in ASGI.
    """

    method: str
    target: str
    headers: RequestHeaders
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<{self.method} {self.target.partition('?')[0]}>"

    __rich_repr__ = hidden_rich_repr


def verify(request: Request, keys: Keys, *, service: str, regions: Iterable[str], now: datetime) -> VerifiedCaller:
    """Return the caller that signed the request and its body.

    `service` is the service name in the scope of the signature; "s3" selects S3's rules, which also allow an unsigned
    body (UNSIGNED-PAYLOAD). `now` is the current time, with a zone. Paths that could have two meanings are refused, as
    in a RouteTable, except for S3. Replays within the 15 minutes of a signature are not detected.

    Raises VerifyError (HeadError for a malformed head). Raises NotLoadedError, and Faults that are not about the key,
    from `keys`.

    >>> from datetime import UTC, datetime
    >>> from daypass.verify import Request, StaticKeys, VerifyError, verify
    >>> request = Request("GET", "/items/42", {"Host": "inventory.example"})
    >>> try:
    ...     verify(request, StaticKeys(), service="inventory", regions=["us-east-1"], now=datetime.now(UTC))
    ... except VerifyError as error:
    ...     print(error.message)
    The request is not signed.
    """
    served = frozenset(regions)
    home = next(iter(served)) if len(served) == 1 else ""
    profile = (
        s3_profile(served.__contains__, home) if service == "s3" else plain_profile(service, served.__contains__, home)
    )
    head = head_of(request)
    if service != "s3":
        decode_path(head.path)  # The form of other services folds dot segments and slashes, and the caller may not.
    if head.content_length is not None and head.content_length != len(request.body):
        raise VerifyError(VerifyReason.BODY_LENGTH)
    digest = sha256(request.body).hexdigest()
    verified = verify_head(head, keys, service=profile, now=now, body_sha256=digest)
    if verified is None:
        raise VerifyError(VerifyReason.NO_SIGNATURE)
    if verified.payload.streaming:
        raise VerifyError(VerifyReason.PAYLOAD_INVALID, "A body in signed chunks is verified by the S3 gateway only.")
    return verified.caller


def head_of(request: Request) -> RequestHead:
    """Return the strict head of a request. Raises HeadError."""
    headers = request.headers
    if isinstance(headers, Mapping):
        try:
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        except UnicodeEncodeError as error:
            raise HeadError("A header has characters beyond Latin-1.") from error
    return build_head(request.method, request.target.encode(), headers)
