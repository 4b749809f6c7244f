"""The query of an S3 request: operation members and hoisted headers.

Owns the split of the query into three parts: the signature's parameters, which are dropped; headers that a presigned
URL has in its query; and the rest. Owns the rules for the values of the rest. Leaves the names to routes.py.
"""

import re
from collections.abc import Mapping

from daypass.verify.s3.errors import S3Error, s3_error
from daypass.verify.s3.operations.object_keys import KeyRule, check_key_prefix, decode_text

Headers = Mapping[bytes, bytes]

_SIGNATURE = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    }
)
_SIGNATURE_ANY_CASE = frozenset(name.lower() for name in _SIGNATURE)
_HEADER_NAME = re.compile(r"x-amz-[a-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_RESPONSE = "response-"

_PREFIXES = ("prefix", "marker", "start-after", "key-marker")
_NUMBERS = frozenset({"max-keys", "max-parts", "max-uploads", "max-buckets", "part-number-marker", "partNumber"})
_LONGEST_NUMBER = 10
_LONGEST_DELIMITER = 1_024
# Stores derive the names of files from these ids. S3's own consist of letters, digits, dots and underscores.
_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9._~=+:-]{1,1024}")
_DOTS = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\]|$)")


def parse_query(raw: bytes, *, presigned: bool) -> tuple[dict[str, str], dict[bytes, bytes]]:
    """Return the parameters, and the headers that the query has.

    Raises S3Error if a name is given twice. Only a presigned URL can have the parameters of a signature, or headers.
    """
    parameters: dict[str, str] = {}
    hoisted: dict[bytes, bytes] = {}
    for part in raw.split(b"&"):
        if not part:
            continue
        raw_name, _, raw_value = part.partition(b"=")
        name = decode_text(raw_name)
        lowered = name.lower()
        if presigned and lowered.startswith("x-amz-"):
            if name not in _SIGNATURE:
                _hoist(hoisted, lowered, decode_text(raw_value))
            continue
        if name in parameters:
            raise _invalid(name, "The request has a query parameter twice.")
        parameters[name] = decode_text(raw_value)
    return parameters, hoisted


def _hoist(hoisted: dict[bytes, bytes], name: str, text: str) -> None:
    header, value = name.encode(), text.strip(" \t").encode()
    if name in _SIGNATURE_ANY_CASE or _HEADER_NAME.fullmatch(name) is None or header in hoisted:
        raise _invalid(name, "The query parameter is not a header that a presigned URL can have once.")
    if _CONTROL.search(value):  # It is sent to the store as a header, and must not begin another one.
        raise _invalid(name, "The value of the query parameter has control characters.")
    hoisted[header] = value


def check_parameters(parameters: Mapping[str, str], rule: KeyRule) -> None:
    """Raise S3Error unless store and policy read the same values."""
    for name in _PREFIXES:
        if name in parameters:
            check_key_prefix(parameters[name], rule)
    if len(parameters.get("delimiter", "")) > _LONGEST_DELIMITER:
        raise _invalid("delimiter", "The delimiter is too long.")
    for name in _NUMBERS & parameters.keys():
        text = parameters[name]
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
            raise _invalid(name, f"Provided {name} not an integer or within integer range", text)
    for name, text in parameters.items():
        if name.startswith(_RESPONSE) and _CONTROL.search(text.encode()):  # It becomes a header of the store's answer.
            raise _invalid(name, "The value of the query parameter has control characters.")
    _check_ids(parameters)


def _check_ids(parameters: Mapping[str, str]) -> None:
    if "versionId" in parameters and _ID.fullmatch(parameters["versionId"]) is None:
        raise _invalid("versionId", "Invalid version id specified", parameters["versionId"])
    if "uploadId" in parameters and _ID.fullmatch(parameters["uploadId"]) is None:
        raise s3_error("NoSuchUpload", UploadId=parameters["uploadId"][:1024])
    for name in ("version-id-marker", "upload-id-marker"):
        text = parameters.get(name, "")
        if text and _ID.fullmatch(text) is None:
            raise _invalid(name, "The marker is not valid.", text)
    if _DOTS.search(parameters.get("continuation-token", "")):
        raise _invalid("continuation-token", "The continuation token provided is incorrect")


def check_version_id(version_id: str) -> None:
    """Raise S3Error unless a version ID of a header or a body is well-formed."""
    if _ID.fullmatch(version_id) is None:
        raise _invalid("versionId", "Invalid version id specified", version_id)


def _invalid(name: str, message: str, value: str = "") -> S3Error:
    extra = {"ArgumentValue": value[:1024]} if value else {}
    return s3_error("InvalidArgument", message, ArgumentName=name[:1024], **extra)
