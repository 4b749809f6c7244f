"""Answer POST keys: the derived key of one scope, with the caller.

Owns the checks of a claim, in this order: the service and region are the resource server's own; the date is the one
that was signed and is recent; the key or token is valid; the resource server serves the caller's account; the signature
over the string to sign, or over the policy of an HTML form, is right. Without the last check, a resource server that
was broken into could collect keys for tokens that it merely holds.

A key is valid for its date, region and service. It signs nothing else.
"""

import re
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

import msgspec

from daypass.authenticate.authenticate import Lookup, find_caller
from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.signature import ALGORITHM, TERMINATOR
from daypass.authorize.verified_caller import verified_caller
from daypass.directory.entities.resource_server_entities import ResourceServer
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Store
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.errors import InvalidClientTokenId, SignatureDoesNotMatch, ValidationError
from daypass.resource_server.snapshot import RecordedSnapshot, open_snapshot
from daypass.verify.remote_server.grant_json import Documents, encode_caller
from daypass.verify.remote_server.protocol import GrantAnswer, GrantRequest
from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.forms.post_policy import parse_post_policy

MAX_AGE = 60  # seconds for which a caller may be cached without another question
_SKEW = timedelta(minutes=15)
_PRESIGNED = timedelta(days=7)
_DAY = timedelta(days=1)
_STAMP = "%Y%m%dT%H%M%SZ"
_DATE = re.compile(r"\d{8}")
_STRING_TO_SIGN = re.compile(
    rf"{ALGORITHM}\n(\d{{8}}T\d{{6}}Z)\n(\d{{8}})/([^/\n]+)/([^/\n]+)/{TERMINATOR}\n[0-9a-f]{{64}}"
)
_INVALID = "The security token included in the request is invalid."
_MISMATCH = "The signature does not match the string to sign."


class GrantSource(msgspec.Struct, frozen=True):
    """The store, the keys of tokens and secrets, and the quota of buckets."""

    store: Store
    vault: SecretBox
    keychain: Keychain
    most_buckets: int


def grant(
    request: GrantRequest, server: ResourceServer, source: GrantSource, now: datetime
) -> tuple[GrantAnswer, Documents]:
    """Return the answer, with the texts of all policies that it names.

    Raises a Fault if the claim is not valid.
    """
    not_after = _check_scope(request, server, now)
    with open_snapshot(source.store, server) as snapshot:
        return _granted(request, server, source, snapshot, now, not_after)


def _granted(
    request: GrantRequest,
    server: ResourceServer,
    source: GrantSource,
    snapshot: RecordedSnapshot,
    now: datetime,
    not_after: datetime,
) -> tuple[GrantAnswer, Documents]:
    lookup = Lookup(
        snapshot.views,
        source.keychain,
        lambda: load_sealing_ring(snapshot.reader, source.vault),
        _is_checked_already,
        now,
    )
    caller, secret = find_caller(request.access_key_id, request.session_token, lookup)
    if not server.serves(caller.account):
        # The same words as for an unknown key: a resource server must not test the keys of other accounts.
        raise InvalidClientTokenId(_INVALID, detail=f"{server.name} does not serve account {caller.account}")
    key = source.keychain.signing_key(secret, request.date, request.region, request.service)
    if not compare_digest(key.sign(request.string_to_sign.encode()).encode(), request.signature.encode()):
        raise SignatureDoesNotMatch(_MISMATCH)
    documents: Documents = {}
    encoded = encode_caller(verified_caller(caller, snapshot.views), documents)
    answer = GrantAnswer(
        key=key.raw,
        not_after=int(not_after.timestamp()),
        caller=encoded,
        documents=documents if request.inline_documents else {},
        dependencies=snapshot.dependencies,
        revision=snapshot.position.number,
        max_age=MAX_AGE,
        nonce=snapshot.position.nonce.hex(),
    )
    return answer, documents


def _check_scope(request: GrantRequest, server: ResourceServer, now: datetime) -> datetime:
    """Return the end of the key's use. Raises a Fault if the scope is not valid."""
    if request.service != server.service or request.region not in server.regions:
        raise SignatureDoesNotMatch(
            f"Credential should be scoped to the service {server.service} and a region of this endpoint: "
            f"{', '.join(server.regions)}."
        )
    if not _DATE.fullmatch(request.date):
        raise ValidationError("date is not a date of a scope.")
    parts = _STRING_TO_SIGN.fullmatch(request.string_to_sign)
    if parts is None:
        stamp, longest = _stamp_of_form(request, now), _PRESIGNED
    else:
        stamp, *scope = parts.groups()
        if scope != [request.date, request.region, request.service]:
            raise ValidationError("stringToSign does not have the scope of the request.")
        longest = _PRESIGNED if request.presigned else _SKEW
    if stamp[: len(request.date)] != request.date:
        raise ValidationError("stringToSign was not signed on the date of the scope.")
    signed_at = _instant(stamp)
    if not -_SKEW <= now - signed_at <= longest:
        raise SignatureDoesNotMatch(f"Signature expired: {stamp} is too far from the present time.")
    day = datetime.strptime(request.date, "%Y%m%d").replace(tzinfo=UTC)
    return day + _DAY + longest


def _stamp_of_form(request: GrantRequest, now: datetime) -> str:
    """Return the time of a form whose policy document was signed.

    Raises a Fault unless the policy names this scope and has not expired. Source: Amazon S3 API Reference, "Creating a
    POST policy".
    """
    try:
        policy = parse_post_policy(request.string_to_sign)
    except S3Error as problem:
        raise ValidationError("stringToSign is neither a string to sign nor a POST policy.") from problem
    named = {condition.field: condition.value for condition in policy.conditions if condition.operator == "eq"}
    scope = f"{request.access_key_id}/{request.date}/{request.region}/{request.service}/{TERMINATOR}"
    if named.get("x-amz-credential") != scope:
        raise ValidationError("The POST policy does not have the scope of the request.")
    if now >= policy.expiration:
        raise SignatureDoesNotMatch("The POST policy has expired.")
    return named.get("x-amz-date", "")


def _instant(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValidationError("stringToSign does not have a valid time.") from error


def _is_checked_already(_region: str) -> bool:
    return True
