"""The list of buckets in a store's answer.

Owns the reading of ListAllMyBucketsResult. What cannot be read is None: a list without a bucket that exists would be
wrong.
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
