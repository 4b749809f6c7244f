"""Read and write the bodies of DeleteObjects.

Owns the keys of the request, the body for the store, and the answer that is merged from both. Leaves the decision about
each key, and the rule for keys, to its caller.

- The body has 1 to 1,000 keys and at most 2 MiB; an unknown element is refused, because the store may know it: ETag,
  LastModifiedTime and Size would make a deletion conditional, and are forwarded as they are;
- The store gets the allowed keys in a body of our own;
- The answer names the keys that were asked for, each once, and no other. A key that the store does not mention is an
  error of the store, unless the request is quiet.
Source: Amazon S3 API Reference, DeleteObjects.
"""

from collections.abc import Iterable, Sequence

import msgspec

from daypass.verify.s3.documents.xml_bodies import NAMESPACE, XmlNode, malformed_xml, parse_xml_body
from daypass.verify.s3.documents.xml_writer import write_document, write_element
from daypass.verify.s3.errors import S3Error, s3_error

MAX_DELETE_BODY = 2 * 1024 * 1024
"""The largest body of a request, in bytes."""
MAX_DELETE_KEYS = 1_000
MAX_DELETE_ANSWER = 8 * 1024 * 1024
"""The largest answer of a store, in bytes."""

_CONDITIONS = ("ETag", "LastModifiedTime", "Size")
_DELETED = ("Key", "VersionId", "DeleteMarker", "DeleteMarkerVersionId")
_ERROR = ("Key", "VersionId", "Code", "Message")


class ObjectToDelete(msgspec.Struct, frozen=True):
    """One object of the request. `version_id` is None for the newest version.

    `conditions` are the names and values that the deletion depends on.
    """

    key: str
    version_id: str | None = None
    conditions: tuple[tuple[str, str], ...] = ()


class DeleteRequest(msgspec.Struct, frozen=True):
    """The body of DeleteObjects. A quiet request gets errors alone."""

    objects: tuple[ObjectToDelete, ...]
    quiet: bool


class DeniedObject(msgspec.Struct, frozen=True):
    """An object that the caller must not delete, and the error for it."""

    target: ObjectToDelete
    error: S3Error


def parse_delete_request(body: bytes) -> DeleteRequest:
    """Return the objects of a verified body. Raises S3Error."""
    if len(body) > MAX_DELETE_BODY:
        raise s3_error("MaxMessageLengthExceeded")
    root = parse_xml_body(body).expect("Delete").allow("Object", "Quiet")
    nodes = [node for node in root.children() if node.name == "Object"]
    if not 1 <= len(nodes) <= MAX_DELETE_KEYS:
        raise malformed_xml(f"{len(nodes)} keys")
    quiet = root.find_text("Quiet")
    if quiet not in (None, "true", "false"):
        raise malformed_xml("the value of Quiet")
    return DeleteRequest(tuple(_parse_object(node) for node in nodes), quiet == "true")


def _parse_object(node: XmlNode) -> ObjectToDelete:
    node.allow("Key", "VersionId", *_CONDITIONS)
    key = node.child("Key").leaf_text()
    if not key:
        raise s3_error("UserKeyMustBeSpecified")
    version_id = node.find_text("VersionId")
    if version_id == "":
        raise malformed_xml("an empty VersionId, which a store could take for the newest version")
    values = ((name, node.find_text(name)) for name in _CONDITIONS)
    return ObjectToDelete(key, version_id, tuple((name, value) for name, value in values if value is not None))


def write_delete_request(objects: Iterable[ObjectToDelete]) -> bytes:
    """Return the body for the store.

    It is not quiet: the answer must name each key.
    """
    return write_document("Delete", NAMESPACE, *map(_write_object, objects))


def _write_object(target: ObjectToDelete) -> str:
    fields = [("Key", target.key), *_version(target), *target.conditions]
    return write_element("Object", *(write_element(name, text=value) for name, value in fields))


def merge_delete_answer(request: DeleteRequest, denied: Sequence[DeniedObject], answer: bytes | None) -> bytes:
    """Return the answer to the client.

    `answer` is the body of the store's answer, or None if the store was not asked because every object is denied.
    Raises S3Error if the store's answer is malformed, or names an object that it was not asked to delete.
    """
    refused = {_identity(each.target): each.error for each in denied}
    asked = {_identity(target) for target in request.objects} - refused.keys()
    entries = [] if answer is None else _parse_answer(answer, asked)
    if answer is None and asked:
        raise s3_error("InternalError", detail="the store was not asked about some objects")
    elements = [write_entry(entry) for entry in entries if entry.name == "Error" or not request.quiet]
    elements += [_write_denied(target, refused[identity]) for identity, target in _unique(request, refused)]
    return write_document("DeleteResult", NAMESPACE, *elements)


Identity = tuple[str, str | None]


def _identity(target: ObjectToDelete) -> Identity:
    return target.key, target.version_id


def _unique(request: DeleteRequest, refused: dict[Identity, S3Error]) -> list[tuple[Identity, ObjectToDelete]]:
    by_identity = {_identity(target): target for target in request.objects}
    return [(identity, target) for identity, target in by_identity.items() if identity in refused]


def _parse_answer(answer: bytes, asked: set[Identity]) -> list[XmlNode]:
    try:
        root = parse_xml_body(answer).expect("DeleteResult").allow("Deleted", "Error")
        entries = list(root.children())
        answered = {(entry.child("Key").leaf_text(), entry.find_text("VersionId") or None) for entry in entries}
    except S3Error as problem:
        raise s3_error("InternalError", detail=f"the store's answer to DeleteObjects: {problem.detail}") from problem
    # Some stores leave out the version of the newest object.
    keys = {key for key, _ in asked}
    if not {key for key, _ in answered} <= keys:
        raise s3_error("InternalError", detail="the store's answer names an object that was not asked for")
    if not keys <= {key for key, _ in answered}:
        raise s3_error("InternalError", detail="the store's answer lacks an object that was asked for")
    return entries


def write_entry(entry: XmlNode) -> str:
    """Return one entry of the store's answer with the members of S3 alone."""
    names = _DELETED if entry.name == "Deleted" else _ERROR
    values = ((name, entry.find_text(name)) for name in names)
    return write_element(entry.name, *(write_element(name, text=value) for name, value in values if value is not None))


def _write_denied(target: ObjectToDelete, error: S3Error) -> str:
    fields = [("Key", target.key), *_version(target), ("Code", error.code), ("Message", error.message)]
    return write_element("Error", *(write_element(name, text=value) for name, value in fields))


def _version(target: ObjectToDelete) -> list[tuple[str, str]]:
    return [] if target.version_id is None else [("VersionId", target.version_id)]
