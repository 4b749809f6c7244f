"""ListBuckets: the buckets of an account, from records and stores.

Owns the list and its pages. A recorded bucket is in it without asking a store; a bucket that a pattern or the adopting
account maps is in it if its store lists it. Buckets that nothing maps are in no list. Every function blocks.
Source: Amazon S3 API Reference, ListBuckets.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from daypass.gateway.buckets.bucket_lifecycle import BackendUnavailableError
from daypass.gateway.buckets.bucket_xml import NAMESPACE, write_xml, xml_group, xml_text
from daypass.gateway.buckets.buckets import BucketMap, Buckets, canonical_id
from daypass.gateway.judge.lookups import ObjectCalls
from daypass.gateway.stores.store_lists import read_buckets
from daypass.verify.s3.errors import s3_error

__all__ = ["NAMESPACE", "ListedBucket", "buckets_of_account", "render_buckets"]

_MOST = 10_000
_OK = 200


class ListedBucket(msgspec.Struct, frozen=True, order=True):
    """One bucket in a list."""

    name: str
    created: str
    region: str


def buckets_of_account(
    account: str, *, buckets: Buckets, bucket_map: BucketMap, calls: ObjectCalls
) -> tuple[ListedBucket, ...]:
    """Return every bucket of an account, by name.

    Raises S3Error if a store does not answer.
    """
    found = {
        summary.name: ListedBucket(summary.name, iso(summary.created), summary.region)
        for summary in buckets.list_of(account)
    }
    for backend in _backends_of(account, bucket_map):
        listed = _list_store(backend, calls)
        for name in buckets.owned(account, backend, listed):
            found.setdefault(name, ListedBucket(name, listed[name], ""))
    return tuple(sorted(found.values()))


def _backends_of(account: str, bucket_map: BucketMap) -> tuple[str, ...]:
    names = {mapping.backend for mapping in bucket_map.mappings if mapping.account == account}
    if bucket_map.adopting_account == account:
        names.add(bucket_map.default_backend)
    return tuple(sorted(names))


def _list_store(backend: str, calls: ObjectCalls) -> dict[str, str]:
    """Return the creation dates of a store's buckets, by name."""
    found: dict[str, str] = {}
    token = ""
    while True:
        try:
            answer = calls.send(backend, "GET", "", query={"continuation-token": token} if token else {})
        except BackendUnavailableError as problem:
            raise s3_error("ServiceUnavailable", detail=str(problem)) from problem
        page = read_buckets(answer.body) if answer.status == _OK else None
        if page is None:
            raise s3_error("ServiceUnavailable", detail=f"the list of buckets of {backend}: {answer.status}")
        before = len(found)
        found.update(page.created)
        token = page.token
        # A store that repeats a page would be asked for ever.
        if not token or len(found) == before:
            return found


def render_buckets(account: str, listed: tuple[ListedBucket, ...], parameters: Mapping[str, str]) -> bytes:
    """Return the answer to ListBuckets with its page. Raises S3Error."""
    prefix, region = parameters.get("prefix", ""), parameters.get("bucket-region", "")
    most = int(parameters.get("max-buckets", str(_MOST)))
    if not 1 <= most <= _MOST:
        raise s3_error("InvalidArgument", ArgumentName="max-buckets", ArgumentValue=str(most))
    after = _read_token(parameters["continuation-token"]) if parameters.get("continuation-token") else ""
    kept = [
        each
        for each in listed
        if each.name > after and each.name.startswith(prefix) and (not region or each.region == region)
    ]
    page = kept[:most]
    content = [
        xml_group("Owner", [xml_text("ID", canonical_id(account))]),
        xml_group("Buckets", [_render(each) for each in page]),
    ]
    if len(page) < len(kept):
        content.append(xml_text("ContinuationToken", base64.urlsafe_b64encode(page[-1].name.encode()).decode()))
    if prefix:
        content.append(xml_text("Prefix", prefix))
    return write_xml("ListAllMyBucketsResult", *content)


def _render(bucket: ListedBucket) -> str:
    region = [xml_text("BucketRegion", bucket.region)] if bucket.region else []
    return xml_group("Bucket", [xml_text("Name", bucket.name), xml_text("CreationDate", bucket.created), *region])


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as problem:
        raise s3_error("InvalidArgument", "The continuation token provided is incorrect") from problem


def iso(instant: datetime) -> str:
    """Return an instant as S3 writes it in XML."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
