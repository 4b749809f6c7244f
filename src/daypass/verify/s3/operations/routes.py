"""Find the operation of a request: the closed world of S3's model.

Owns the routes, the operations that are refused by name, and the query members and headers of each operation. Leaves
the path to request.py and the permissions to actions.py. operations.json has the facts of the model; the tests
generate it.

- An operation is found by method, level of the path, the markers in its path (`acl`, `list-type=2`), its required query
  members and its required headers. The most specific operation is chosen.
- Every name in the query must then belong to that operation. Stores ignore a name that they do not know, and execute
  another operation: `DELETE /bucket/key?policy` deletes the object.
- Two operations are not in the model: PostObject (an HTML form) and Preflight (CORS).
"""

import json
from collections.abc import Mapping
from enum import Enum
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec

from daypass.verify.s3.errors import S3Error, s3_error

POST_OBJECT = "PostObject"
PREFLIGHT = "Preflight"

_DIRECTORY = "is for directory buckets"
_METADATA = "is for S3 Metadata"
_ANNOTATION = "is for object annotations"
_LEGACY = "has a successor with the same route"

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "CreateBucketMetadataConfiguration": _METADATA,
        "CreateBucketMetadataTableConfiguration": _METADATA,
        "CreateSession": _DIRECTORY,
        "DeleteBucketMetadataConfiguration": _METADATA,
        "DeleteBucketMetadataTableConfiguration": _METADATA,
        "DeleteObjectAnnotation": _ANNOTATION,
        "GetBucketLifecycle": _LEGACY,
        "GetBucketMetadataConfiguration": _METADATA,
        "GetBucketMetadataTableConfiguration": _METADATA,
        "GetBucketNotification": _LEGACY,
        "GetObjectAnnotation": _ANNOTATION,
        "ListDirectoryBuckets": _DIRECTORY,
        "ListObjectAnnotations": _ANNOTATION,
        "PutBucketLifecycle": _LEGACY,
        "PutBucketNotification": _LEGACY,
        "PutObjectAnnotation": _ANNOTATION,
        "RenameObject": _DIRECTORY,
        "UpdateBucketMetadataAnnotationTableConfiguration": _METADATA,
        "UpdateBucketMetadataInventoryTableConfiguration": _METADATA,
        "UpdateBucketMetadataJournalTableConfiguration": _METADATA,
        "UpdateObjectEncryption": "changes the key of an object, whose permissions are those of a key service",
        "WriteGetObjectResponse": "is for S3 Object Lambda",
    }
)
"""Operations of the model that are refused, and the reason."""

# These share the route of another operation, or have a host of their own.
_WITHOUT_ROUTE = frozenset({name for name, reason in REFUSED.items() if reason is _LEGACY}) | {
    "ListDirectoryBuckets",
    "WriteGetObjectResponse",
}


class Level(Enum):
    """What the path of a request names."""

    __hash__ = object.__hash__  # each member is one object; Enum's own hash is a call of Python

    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


class S3Operation(msgspec.Struct, frozen=True):
    """One operation of the model, with the names on the wire.

    `markers` are query names with the value that they must have. `headers` does not contain prefixes;
    `has_metadata` is true if headers of x-amz-meta- are members.
    """

    name: str
    method: str
    level: Level
    markers: tuple[tuple[str, str], ...] = ()
    required_query: tuple[str, ...] = ()
    required_headers: tuple[bytes, ...] = ()
    query: frozenset[str] = frozenset()
    headers: frozenset[bytes] = frozenset()
    has_metadata: bool = False

    def fits(self, query: Mapping[str, str], headers: Mapping[bytes, bytes]) -> bool:
        """Return whether a request has every part that selects this operation."""
        # Loops, because every request comes here, and generators cost more than the tests.
        for name, value in self.markers:
            if query.get(name) != value:
                return False
        for name in self.required_query:
            if name not in query:
                return False
        for header in self.required_headers:  # noqa: SIM110
            if header not in headers:
                return False
        return True


def _load() -> dict[str, S3Operation]:
    text = files("daypass.verify.s3.operations").joinpath("operations.json").read_text(encoding="utf-8")
    return {name: _operation(name, facts) for name, facts in json.loads(text).items()}


def _operation(name: str, facts: Mapping[str, Any]) -> S3Operation:
    markers = tuple((marker.partition("=")[0], marker.partition("=")[2]) for marker in facts.get("markers", ()))
    required_query = tuple(facts.get("required_query", ()))
    headers = [header.encode() for header in (*facts.get("headers", ()), *facts.get("required_headers", ()))]
    return S3Operation(
        name=name,
        method=facts["method"],
        level=Level(facts["level"]),
        markers=markers,
        required_query=required_query,
        required_headers=tuple(header.encode() for header in facts.get("required_headers", ())),
        query=frozenset({*facts.get("query", ()), *required_query, *[marker for marker, _ in markers]}),
        headers=frozenset(header for header in headers if not header.endswith(b"*")),
        has_metadata=b"x-amz-meta-*" in headers,
    )


OPERATIONS: Mapping[str, S3Operation] = MappingProxyType(
    {
        **_load(),
        POST_OBJECT: S3Operation(POST_OBJECT, "POST", Level.BUCKET, has_metadata=True),
        PREFLIGHT: S3Operation(PREFLIGHT, "OPTIONS", Level.OBJECT),
    }
)
"""Every operation by name, also the refused ones."""

KNOWN_HEADERS = frozenset().union(*(operation.headers for operation in OPERATIONS.values()))
"""The headers of any operation. S3 ignores those that the requested operation does not have."""


def _specificity(operation: S3Operation) -> int:
    return len(operation.markers) + len(operation.required_query) + len(operation.required_headers)


def _routes() -> dict[tuple[str, Level], tuple[S3Operation, ...]]:
    found: dict[tuple[str, Level], list[S3Operation]] = {}
    for operation in OPERATIONS.values():
        if operation.name not in _WITHOUT_ROUTE and operation.name not in (POST_OBJECT, PREFLIGHT):
            found.setdefault((operation.method, operation.level), []).append(operation)
    return {key: tuple(sorted(rows, key=_specificity, reverse=True)) for key, rows in found.items()}


_ROUTES: Mapping[tuple[str, Level], tuple[S3Operation, ...]] = MappingProxyType(_routes())
_WITHOUT_QUERY: Mapping[tuple[str, Level], tuple[S3Operation, ...]] = MappingProxyType(
    {key: tuple(row for row in rows if not row.markers and not row.required_query) for key, rows in _ROUTES.items()}
)
_MARKERS: Mapping[Level, frozenset[str]] = MappingProxyType(
    {
        level: frozenset(marker for row in OPERATIONS.values() if row.level is level for marker, _ in row.markers)
        for level in Level
    }
)
_MULTIPART = b"multipart/form-data"


def find_operation(method: str, level: Level, query: Mapping[str, str], headers: Mapping[bytes, bytes]) -> S3Operation:
    """Return the operation of a request.

    Raises S3Error if it does not have one, or has a refused one. `query` does not contain parameters of the signature
    or headers of a presigned URL.
    """
    rows = (_ROUTES if query else _WITHOUT_QUERY).get((method, level), ())
    for row in rows:
        if row.fits(query, headers):
            break
    else:
        return _find_beyond_model(method, level, query, headers)
    if not query.keys() <= row.query:
        row = _without_x_id(row, level, query)
    if row.name in REFUSED:
        raise s3_error("NotImplemented", f"The operation {row.name} is not supported: it {REFUSED[row.name]}.")
    return row


def _without_x_id(row: S3Operation, level: Level, query: Mapping[str, str]) -> S3Operation:
    """Accept the parameter x-id, with which some SDKs repeat the operation.

    Raises S3Error if it names another operation, or if another parameter does not belong to the operation.
    """
    unknown = query.keys() - row.query - {"x-id"}
    if unknown:
        raise _unknown(min(unknown), level)
    if query["x-id"] != row.name:
        raise s3_error(
            "InvalidArgument",
            f"The parameter x-id does not name the operation of this request, which is {row.name}.",
            ArgumentName="x-id",
            ArgumentValue=query["x-id"],
        )
    return row


def _unknown(name: str, level: Level) -> S3Error:
    if name in _MARKERS[level]:
        return s3_error("MethodNotAllowed", detail=f"the sub-resource {name} does not belong to this request")
    return s3_error(
        "InvalidArgument",
        "The request has a query parameter that does not belong to the operation.",
        ArgumentName=name,
    )


def _find_beyond_model(
    method: str, level: Level, query: Mapping[str, str], headers: Mapping[bytes, bytes]
) -> S3Operation:
    is_form = headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == _MULTIPART
    if method == "POST" and level is Level.BUCKET and not query and is_form:
        return OPERATIONS[POST_OBJECT]
    if method == "OPTIONS" and level is not Level.SERVICE:
        return OPERATIONS[PREFLIGHT]
    if query and any(name not in _MARKERS[level] and name != "x-id" for name in query):
        raise _unknown(min(name for name in query if name not in _MARKERS[level]), level)
    raise s3_error("MethodNotAllowed", Method=method[:64], ResourceType=level.name)
