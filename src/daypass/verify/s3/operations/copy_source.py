"""The source of a copy: the header x-amz-copy-source.

Owns the grammar of the header and the one spelling that goes to the store. Stores accept more spellings than S3
documents: `/bucket/key`, `bucket%2Fkey`, `%62ucket/key`. All of them are decoded here, judged, and replaced by one. A
plus sign is a space, as on S3: clients encode `a b` as `a+b` or `a%20b`, and `a+b` as `a%2Bb`.
Leaves the rule for the key to object_keys.py. Source: Amazon S3 API Reference, CopyObject.
"""

from collections.abc import Callable

import msgspec

from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.operations.object_keys import (
    KeyRule,
    check_bucket_name,
    check_object_key,
    decode_text,
    encode_path,
    encode_text,
)
from daypass.verify.s3.operations.query import check_version_id

COPY_SOURCE_HEADER = b"x-amz-copy-source"
_VERSION = b"versionId="


class CopySource(msgspec.Struct, frozen=True):
    """The object from which CopyObject and UploadPartCopy copy.

    `version_id` is empty if the header does not name a version. `header` is the one spelling that goes to the store.
    `folds_slashes` is that of the KeyRule of the source.
    """

    bucket: str
    key: str
    version_id: str
    header: bytes
    folds_slashes: bool = True


def parse_copy_source(value: bytes, key_rules: Callable[[str], KeyRule]) -> CopySource:
    """Return the source that the header names. Raises S3Error.

    `key_rules` returns the rule for the keys of a bucket.
    """
    path, question, query = value.partition(b"?")
    text = decode_text(path.replace(b"+", b" "))
    if text.startswith("arn:"):
        raise s3_error("NotImplemented", "A copy source that is an access point is not supported.")
    bucket, slash, key = text.removeprefix("/").partition("/")
    if not slash or not key:
        raise _malformed("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", value)
    check_bucket_name(bucket)
    rule = key_rules(bucket)
    check_object_key(key, rule)
    version_id = _version_id(query, value) if question else ""
    header = encode_path(bucket, key)[1:]
    if version_id:
        header += b"?" + _VERSION + encode_text(version_id).encode()
    return CopySource(bucket, key, version_id, header, rule.folds_slashes)


def _version_id(query: bytes, value: bytes) -> str:
    version_id = decode_text(query[len(_VERSION) :]) if query.startswith(_VERSION) else ""
    if not version_id or b"&" in query:
        raise _malformed("Version id cannot be the empty string", value)
    check_version_id(version_id)
    return version_id


def _malformed(message: str, value: bytes) -> S3Error:
    return s3_error(
        "InvalidArgument", message, ArgumentName="x-amz-copy-source", ArgumentValue=value.decode("latin-1")[:1024]
    )
