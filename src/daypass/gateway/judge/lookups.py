"""Look-ups of tags and versioning at the store, for decisions.

Owns the condition keys s3:ExistingObjectTag/k, aws:ResourceTag/k and s3:BucketTag/k. Leaves the choice of
the look-ups that a decision needs to verify/s3/permissions/lookups.py. A look-up that fails returns None, and the
request is then refused. An object or bucket that does not exist has no tags. As on AWS, tags may change between the
look-up and the request.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from daypass.gateway.buckets.bucket_lifecycle import BackendAnswer, BackendUnavailableError
from daypass.gateway.buckets.buckets import Bucket
from daypass.gateway.stores.answer_reader import StoreAnswerReader
from daypass.policy.authorization_request import ConditionKeys, NewConditionKeys
from daypass.verify.s3.permissions.actions import Permission
from daypass.verify.s3.permissions.lookups import LookUp

_OK, _MISSING = 200, 404
_MOST_TAGS = 1_000
_PREFIX = "arn:aws:s3:::"
_VERSIONING = frozenset({"VersioningConfiguration", "GetBucketVersioningResponse"})  # the second one is moto's


class ObjectCalls(Protocol):
    """Requests of the gateway itself to its stores.

    They are signed with the store's key, and they block.
    """

    def send(
        self,
        backend: str,
        method: str,
        bucket: str,
        *,
        key: str = "",
        query: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> BackendAnswer:
        """Send a request without a body, and return its answer.

        Raises BackendUnavailableError.
        """
        ...


class TagLookups:
    """Finds tags at the stores. Every method blocks."""

    def __init__(self, calls: ObjectCalls) -> None:
        self._calls = calls

    def find(self, permission: Permission, bucket: Bucket, needed: frozenset[LookUp]) -> ConditionKeys | None:
        """Return the keys of the needed tags, or None if a look-up failed."""
        found: NewConditionKeys = {}
        if LookUp.OBJECT_TAGS in needed:
            key = permission.resource.removeprefix(f"{_PREFIX}{bucket.name}/")
            version = {"versionId": permission.version_id} if permission.version_id else {}
            tags = self._tags(bucket, key, version)
            if tags is None:
                return None
            add_tag_keys(found, "s3:existingobjecttag/", tags)
        if LookUp.BUCKET_TAGS in needed:
            tags = self._tags(bucket, "", {})
            if tags is None:
                return None
            add_tag_keys(found, "s3:buckettag/", tags)
            add_tag_keys(found, "aws:resourcetag/", tags)
        return found

    def _tags(self, bucket: Bucket, key: str, version: Mapping[str, str]) -> list[tuple[str, str]] | None:
        try:
            answer = self._calls.send(bucket.backend, "GET", bucket.name, key=key, query={"tagging": "", **version})
        except BackendUnavailableError:
            return None
        if answer.status == _MISSING:
            return []
        return parse_tags(answer.body) if answer.status == _OK else None


class VersionLookup:
    """Finds out whether a bucket has versions. Blocks."""

    def __init__(self, calls: ObjectCalls) -> None:
        self._calls = calls

    def has_versions(self, bucket: Bucket) -> bool:
        """Return whether versioning is enabled in the bucket.

        False also if the store does not say so, and if versioning is suspended: moto then deletes the current object
        with any version.
        """
        try:
            answer = self._calls.send(bucket.backend, "GET", bucket.name, query={"versioning": ""})
        except BackendUnavailableError:
            return False
        reader = _VersioningReader()
        return answer.status == _OK and reader.read(answer.body) and reader.status == "Enabled"


def add_tag_keys(keys: NewConditionKeys, prefix: str, tags: list[tuple[str, str]]) -> None:
    """Add the keys of tags.

    Keys of conditions are not case-sensitive, keys of tags are. Two tags that differ in case alone give several values,
    which the engine counts against the caller.
    """
    for name, value in tags:
        key = prefix + name.lower()
        before = keys.get(key)
        keys[key] = value if before is None else (*((before,) if isinstance(before, str) else before), value)


def parse_tags(body: bytes) -> list[tuple[str, str]] | None:
    """Return the tags in a store's answer, or None if it is not a tag set.

    White space in a value is a part of it.
    """
    reader = _TagReader()
    if not reader.read(body) or not reader.is_tagging:
        return None
    return reader.tags if len(reader.tags) <= _MOST_TAGS else None


class _TagReader(StoreAnswerReader):
    """Reads <Tagging><TagSet><Tag><Key/><Value/></Tag>…."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, str]] = []
        self.is_tagging = False

    def _opened(self) -> None:
        if len(self._path) == 1:
            self.is_tagging = self._path == ["Tagging"]
        if self._path == ["Tagging", "TagSet", "Tag"]:
            self._texts = {"Key": "", "Value": ""}

    def _closing(self) -> None:
        if self._path == ["Tagging", "TagSet", "Tag"]:
            self.tags.append((self._texts["Key"], self._texts["Value"]))

    def _text(self, text: str) -> None:
        if self._path[:3] == ["Tagging", "TagSet", "Tag"] and len(self._path) == 4:  # noqa: PLR2004 - its children
            self._add_text(text)


class _VersioningReader(StoreAnswerReader):
    """Reads <VersioningConfiguration><Status/>."""

    def __init__(self) -> None:
        super().__init__()
        self.status = ""

    def _opened(self) -> None:
        """Read texts alone."""

    def _closing(self) -> None:
        """Read texts alone."""

    def _text(self, text: str) -> None:
        if len(self._path) == 2 and self._path[0] in _VERSIONING and self._path[1] == "Status":  # noqa: PLR2004
            self.status += text
