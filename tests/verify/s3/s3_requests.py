"""Requests for the tests of S3's meaning, after their signature was verified."""

from collections.abc import Mapping
from datetime import UTC, datetime

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import compile_set
from daypass.policy.evaluate import Policies
from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import RequestHead
from daypass.verify.payload import EMPTY_SHA256, UNSIGNED, PayloadForm, PayloadKind
from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.object_keys import FOLDED, KeyRule
from daypass.verify.s3.operations.request import S3Request, parse_s3_request
from daypass.verify.s3.permissions.actions import permissions
from daypass.verify.signature import VerifiedRequest

ACCOUNT = "111122223333"
NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/Reader/s"
CALLER = VerifiedCaller(
    account=ACCOUNT,
    arn=ROLE,
    user_id="AROAX:s",
    access_key_id="ASIAEXAMPLE",
    principal=Principal(kind=PrincipalKind.ROLE_SESSION, account=ACCOUNT, arn=ROLE),
    context={},
    policies=Policies(compile_set(())),
)


def head_of(method: str, target: str, headers: Mapping[str, str] | None = None) -> RequestHead:
    """Return a head. The Host header is s3.test unless `headers` has another one."""
    raw = target.encode()
    path, _, query = raw.partition(b"?")
    given = {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
    return RequestHead(method, raw, path, query, {b"host": b"s3.test", **given}, None, False)


def verified(*, presigned: bool = False, signed_at: datetime = NOW) -> VerifiedRequest:
    """Return what the verification of a signature returned."""
    return VerifiedRequest(
        CALLER,
        UNSIGNED if presigned else PayloadForm(PayloadKind.HASH, EMPTY_SHA256),
        presigned,
        "0" * 64,
        "20261130T120000Z",
        "20261130/us-east-1/s3/aws4_request",
        signing_key("secret", "20261130", "us-east-1", "s3"),
        frozenset({b"host"}),
        signed_at,
    )


def parse(
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    presigned: bool = False,
    anonymous: bool = False,
    rule: KeyRule = FOLDED,
    domains: tuple[str, ...] = (),
) -> S3Request:
    """Return the routed request."""
    return parse_s3_request(
        head_of(method, target, headers),
        None if anonymous else verified(presigned=presigned),
        domains=domains,
        key_rules=lambda _bucket: rule,
    )


def code_of(method: str, target: str, headers: Mapping[str, str] | None = None, **options: bool) -> str:
    """Return the code of the error, or an empty string if the request is routed."""
    try:
        parse(method, target, headers, **options)  # type: ignore[arg-type]
    except S3Error as error:
        return error.code
    return ""


def needed(request: S3Request) -> list[str]:
    """Return the permissions that must be allowed, as `Action bucket/key`."""
    must = [one for one in permissions(request) if not one.unless_denied]
    return [f"{one.action[3:]} {one.resource.removeprefix('arn:aws:s3:::')}" for one in must]
