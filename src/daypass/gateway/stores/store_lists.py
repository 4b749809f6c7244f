"""The list of buckets in a store's answer.

Owns the reading of ListAllMyBucketsResult. What cannot be read is None: a list without a bucket that exists would be
wrong.
"""

from collections.abc import Mapping
from xml.parsers import expat

import msgspec


class StoreBucketPage(msgspec.Struct, frozen=True):
    """A page of a store's buckets: creation dates by name, and the next token."""

    created: Mapping[str, str]
    token: str


def read_buckets(body: bytes) -> StoreBucketPage | None:
    """Return the page in an answer, or None if it is not one."""
    reader = _ListReader()
    try:
        reader.parser.Parse(body, True)  # noqa: FBT003 - the parameter has no name
    except (expat.ExpatError, ValueError):
        return None
    return StoreBucketPage(reader.created, reader.token) if reader.is_list else None


class _ListReader:
    """Reads names, dates and the token."""

    def __init__(self) -> None:
        self.created: dict[str, str] = {}
        self.token = ""
        self.is_list = False
        self._path: list[str] = []
        self._texts: dict[str, str] = {}
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = _refuse

    def _start(self, name: str, _attributes: Mapping[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        if len(self._path) == 1:
            self.is_list = self._path[0].endswith("ListAllMyBucketsResult")
        if self._path[1:] == ["Buckets", "Bucket"]:
            self._texts = {}

    def _end(self, _name: str) -> None:
        if self._path[1:] == ["Buckets", "Bucket"] and self._texts.get("Name"):
            self.created[self._texts["Name"]] = self._texts.get("CreationDate", "")
        self._path.pop()

    def _text(self, text: str) -> None:
        if self._path[1:3] == ["Buckets", "Bucket"] and len(self._path) == 4:  # noqa: PLR2004 - its children
            self._texts[self._path[3]] = self._texts.get(self._path[3], "") + text
        elif self._path[1:] == ["ContinuationToken"]:
            self.token += text


def _refuse(*_: object) -> None:
    raise ValueError("a document type")
