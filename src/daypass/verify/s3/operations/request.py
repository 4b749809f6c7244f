"""One S3 request: the input of its permissions and of the store.

Owns the value and the order of its checks. Leaves the signature to verify_head(), which comes before, and the decision
to actions.py and conditions.py.

- Without configured domains, the bucket is in the path, whatever the Host header is. With them, it is in the Host
  header below a domain, and in the path for a domain itself, an IP address and localhost; never in both. Any other Host
  is refused: a proxy in front may have served it as another site.
- Query parameters x-amz-* of a presigned URL are headers. They are judged and forwarded as headers, thus every store
  does what was judged.
- The path, the query, the copy source and the tags that are judged are the ones that go to the store, in one spelling.

docs/decisions/0018-meaning-of-s3-requests.md has the reasons.
"""

import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from daypass.verify.head import RequestHead
from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.operations.copy_source import COPY_SOURCE_HEADER, CopySource, parse_copy_source
from daypass.verify.s3.operations.headers import merge_headers, settle_headers
from daypass.verify.s3.operations.object_keys import (
    KeyRule,
    check_bucket_name,
    check_object_key,
    decode_text,
    encode_path,
    is_host_label,
)
from daypass.verify.s3.operations.query import check_parameters, parse_query
from daypass.verify.s3.operations.routes import PREFLIGHT, Level, S3Operation, find_operation
from daypass.verify.signature import VerifiedRequest

_EXPECTED_OWNER = b"x-amz-expected-bucket-owner"
_SOURCE_OWNER = b"x-amz-source-expected-bucket-owner"
_PAYLOAD = b"x-amz-content-sha256"
# Members of enums that every request reads: through the class, each costs as much as a call.
_OBJECT, _BUCKET, _SERVICE = Level.OBJECT, Level.BUCKET, Level.SERVICE


class S3Request(msgspec.Struct, frozen=True):
    """A routed request.

    `bucket` and `key` are empty if the path does not have them. `parameters` are the decoded query members of the
    operation, without the parameters of the signature and without headers that a presigned URL has in its query: these
    are in `headers`. Names of headers are lower case. `canonical_path` is the path in path style, in the spelling that
    goes to the store. `folds_slashes` is that of the bucket's KeyRule.
    """

    operation: str
    method: str
    bucket: str
    key: str
    parameters: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    copy_source: CopySource | None
    canonical_path: bytes
    folds_slashes: bool = True

    def __repr__(self) -> str:
        """Hide the headers: they may have a session token or a customer's encryption key."""
        return f"<{self.operation} {self.canonical_path.decode()}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Hide the headers from the tracebacks of rich too."""
        return [("operation", self.operation), ("path", self.canonical_path)]


def parse_s3_request(
    head: RequestHead,
    verified: VerifiedRequest | None,
    *,
    domains: tuple[str, ...],
    key_rules: Callable[[str], KeyRule],
) -> S3Request:
    """Return the request of a head whose signature was verified.

    Raises S3Error. `verified` is None for an anonymous caller. `domains` are lower-case host names below which the
    first label is a bucket. `key_rules` returns the rule for the keys of a bucket, from the profile of its store; it is
    asked for the bucket of a copy source too, and for buckets that do not exist.
    """
    bucket, key = find_bucket_and_key(head, domains)
    rule = key_rules(bucket) if bucket else KeyRule()
    if key:
        check_object_key(key, rule)
    level = _OBJECT if key else _BUCKET if bucket else _SERVICE
    parameters: Mapping[str, str] = {}
    headers = head.headers
    if head.query and head.method != "OPTIONS":
        parameters, hoisted = parse_query(head.query, presigned=verified is not None and verified.presigned)
        if hoisted:
            headers = _with_hoisted(headers, hoisted, verified)
    operation = find_operation(head.method, level, parameters, headers)
    if parameters:
        parameters = _settle_parameters(parameters, rule, signed=verified is not None)
    headers = settle_headers(operation, headers)
    return S3Request(
        operation.name,
        head.method,
        bucket,
        key,
        parameters,
        headers,
        _find_copy_source(operation, headers, key_rules),
        encode_path(bucket, key) if bucket else b"/",
        rule.folds_slashes,
    )


def find_bucket_and_key(head: RequestHead, domains: tuple[str, ...]) -> tuple[str, str]:
    """Return the bucket and the key, decoded. Raises S3Error.

    The name of the bucket is checked, the key is not.
    """
    label = _host_label(head.headers.get(b"host", b""), domains) if domains else ""
    path = decode_text(head.path)
    if label:
        return label, path[1:]
    if path == "/":
        return "", ""
    bucket, _, key = path[1:].partition("/")
    if not bucket:
        # `//bucket/key`: some stores ignore the empty segment, and use the next one as the bucket.
        raise s3_error("InvalidURI", detail="empty bucket")
    check_bucket_name(bucket)
    return bucket, key


@lru_cache(maxsize=1024)
def _host_label(host: bytes, domains: tuple[str, ...]) -> str:
    """Return the bucket in a Host header, or an empty string for path style. Raises S3Error."""
    name = host.decode("latin-1").lower()
    name = name.rpartition(":")[0] if name.rpartition(":")[2].isdigit() else name
    for domain in domains:
        if name.endswith("." + domain):
            label = name[: -len(domain) - 1]
            check_bucket_name(label)
            if not is_host_label(label):
                raise s3_error("InvalidBucketName", BucketName=label[:255], detail="dotted name in the Host header")
            return label
    if name in domains or name == "localhost" or _is_address(name):
        return ""
    raise s3_error(
        "InvalidRequest",
        f"The Host header is not {' or '.join(domains)}, a bucket below it, an IP address or localhost. The setting "
        "domains of this gateway (--domain) has the names that it serves.",
        HostName=name[:255],
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name)
    except ValueError:
        return False
    return True


def _with_hoisted(
    headers: Mapping[bytes, bytes], hoisted: Mapping[bytes, bytes], verified: VerifiedRequest | None
) -> Mapping[bytes, bytes]:
    payload = hoisted.get(_PAYLOAD)
    if payload is not None and (verified is None or payload.decode() != verified.payload.value):
        raise s3_error(
            "AuthorizationQueryParametersError", detail="x-amz-content-sha256 in the query is not what was verified"
        )
    return merge_headers(headers, hoisted)


def _settle_parameters(parameters: Mapping[str, str], rule: KeyRule, *, signed: bool) -> Mapping[str, str]:
    check_parameters(parameters, rule)
    if not signed and any(name.startswith("response-") for name in parameters):
        raise s3_error("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
    return {name: value for name, value in parameters.items() if name != "x-id"}


def _find_copy_source(
    operation: S3Operation, headers: Mapping[bytes, bytes], key_rules: Callable[[str], KeyRule]
) -> CopySource | None:
    if COPY_SOURCE_HEADER not in operation.required_headers:
        return None
    return parse_copy_source(headers[COPY_SOURCE_HEADER], key_rules)


def with_form(request: S3Request, key: str, fields: Mapping[bytes, bytes], rule: KeyRule) -> S3Request:
    """Return the request of an HTML form with the values of its fields.

    `fields` are the fields that PutObject has as headers, such as x-amz-meta-*, in lower case. The operation remains
    PostObject. Raises S3Error.
    """
    check_object_key(key, rule)
    operation = find_operation("PUT", Level.OBJECT, {}, {})
    headers = settle_headers(operation, fields)
    path = encode_path(request.bucket, key)
    return msgspec.structs.replace(
        request, key=key, headers=headers, canonical_path=path, folds_slashes=rule.folds_slashes
    )


def check_expected_owners(request: S3Request, account: str, source_account: str = "") -> None:
    """Raise S3Error if the request expects another owner.

    The headers of the expectation do not go to the store. Source: Amazon S3 User Guide, "Verifying bucket ownership
    with bucket owner condition".
    """
    expected = request.headers.get(_EXPECTED_OWNER)
    if expected is not None and expected != account.encode():
        raise _other_owner()
    expected = request.headers.get(_SOURCE_OWNER) if request.copy_source is not None else None
    if expected is not None and expected != source_account.encode():
        raise _other_owner()


def _other_owner() -> S3Error:
    return s3_error("AccessDenied", detail="the bucket belongs to another account than the request expects")


__all__ = ["PREFLIGHT", "S3Request", "check_expected_owners", "find_bucket_and_key", "parse_s3_request", "with_form"]
