"""The lists of buckets and of multipart uploads in a store's answers.

Owns the reading of ListAllMyBucketsResult and ListMultipartUploadsResult. A document that cannot be read is None: a
list without a bucket or an upload that exists would be wrong.
"""

from collections.abc import Mapping

import msgspec

from daypass.gateway.stores.answer_reader import StoreAnswerReader


class StoreBucketPage(msgspec.Struct, frozen=True):
    """A page of a store's buckets: creation dates by name, and the next token."""

    created: Mapping[str, str]
    token: str


def read_buckets(body: bytes) -> StoreBucketPage | None:
    """Return the page in an answer, or None if it is not one."""
    reader = _ListReader()
    if not reader.read(body) or not reader.is_list:
        return None
    return StoreBucketPage(reader.created, reader.token)


class _ListReader(StoreAnswerReader):
    """Reads names, dates and the token."""

    def __init__(self) -> None:
        super().__init__()
        self.created: dict[str, str] = {}
        self.token = ""
        self.is_list = False

    def _opened(self) -> None:
        if len(self._path) == 1:
            self.is_list = self._path[0].endswith("ListAllMyBucketsResult")
        if self._path[1:] == ["Buckets", "Bucket"]:
            self._texts = {}

    def _closing(self) -> None:
        if self._path[1:] == ["Buckets", "Bucket"] and self._texts.get("Name"):
            self.created[self._texts["Name"]] = self._texts.get("CreationDate", "")

    def _text(self, text: str) -> None:
        if self._path[1:3] == ["Buckets", "Bucket"] and len(self._path) == 4:  # noqa: PLR2004 - its children
            self._add_text(text)
        elif self._path[1:] == ["ContinuationToken"]:
            self.token += text


class StoreUploadPage(msgspec.Struct, frozen=True):
    """A page of a bucket's uploads: pairs of key and ID.

    `next_markers` are the key and the ID from which the next page follows, or None if this page is the last one.
    """

    uploads: frozenset[tuple[str, str]]
    next_markers: tuple[str, str] | None


def read_uploads(body: bytes) -> StoreUploadPage | None:
    """Return the page of uploads in an answer, or None if it is not one."""
    reader = _UploadReader()
    if not reader.read(body) or not reader.is_list:
        return None
    top = reader.top
    more = top["IsTruncated"].strip().lower() == "true"
    return StoreUploadPage(
        frozenset(reader.uploads), (top["NextKeyMarker"], top["NextUploadIdMarker"]) if more else None
    )


class _UploadReader(StoreAnswerReader):
    """Reads the keys and IDs of uploads, and the markers."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: list[tuple[str, str]] = []
        self.top = {"IsTruncated": "", "NextKeyMarker": "", "NextUploadIdMarker": ""}
        self.is_list = False

    def _opened(self) -> None:
        if len(self._path) == 1:
            self.is_list = self._path[0] == "ListMultipartUploadsResult"
        if self._path[1:] == ["Upload"]:
            self._texts = {}

    def _closing(self) -> None:
        if self._path[1:] == ["Upload"]:
            self.uploads.append((self._texts.get("Key", ""), self._texts.get("UploadId", "")))

    def _text(self, text: str) -> None:
        if self._path[1:2] == ["Upload"] and len(self._path) == 3:  # noqa: PLR2004 - its children
            self._add_text(text)
        elif len(self._path) == 2 and self._path[1] in self.top:  # noqa: PLR2004 - the children of the root
            self.top[self._path[1]] += text
