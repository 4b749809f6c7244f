"""Parse a YAML or JSON file into nodes, within limits.

Pure. Owns the limits:

- Tags do not construct objects.
- A key must not appear twice in a mapping.
- An alias costs as much as its target, so that ten lines cannot become a billion values.
- YAML's events are read one by one, without recursion.

Source: YAML 1.2, chapter 10.2 (the JSON schema with plain strings): `no` and `2012-10-17` are strings here.
"""

import re
from typing import Any

import yaml

from daypass.apply.file.nodes import ApplyFileError, FilePosition, LocatedValue
from daypass.strict_json import JsonReader, NotStrictJsonError, any_integer

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 2_000_000
_TEXT_OF_A_VALUE = 64

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_JSON = JsonReader(max_depth=MAX_DEPTH, integer=any_integer)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOP = FilePosition()


def read_text(content: bytes) -> LocatedValue:
    """Parse the content of a file. Raises ApplyFileError."""
    text = decode(content)
    if text.lstrip()[:1] in {"{", "["}:
        if text.count(",") > MAX_NODES:
            raise ApplyFileError(_TOP, f"the file holds more than {MAX_NODES} values")
        return _as_nodes(read_json(text))
    # A cut file may still be valid YAML with less content.
    if not text.endswith(("\n", "\n...")):
        raise ApplyFileError(_TOP, "the last line has no line end: the file may be incomplete")
    return _Builder().read(text)


def decode(content: bytes) -> str:
    """Decode the content of a file.

    Raises ApplyFileError if it is empty, too large or not valid UTF-8.
    """
    if len(content) > MAX_BYTES:
        raise ApplyFileError(_TOP, f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ApplyFileError(FilePosition("", line, 1), "the file is not UTF-8") from error
    if not text.strip():
        raise ApplyFileError(_TOP, "the file is empty")
    return text


def read_json(text: str) -> Any:
    """Parse JSON and return plain values.

    Raises ApplyFileError if a key appears twice.
    """
    try:
        return _JSON.read(text)
    except NotStrictJsonError as error:
        raise ApplyFileError(FilePosition("", error.line, error.column), f"the file cannot be read: {error}") from error


def _as_nodes(value: Any) -> LocatedValue:
    if isinstance(value, dict):
        return LocatedValue({name: _as_nodes(member) for name, member in value.items()})
    if isinstance(value, list):
        return LocatedValue([_as_nodes(element) for element in value])
    return LocatedValue(value)


class _OpenCollection:
    """A list or mapping that is not complete yet."""

    def __init__(self, event: Any, *, is_mapping: bool) -> None:
        self.mark = event.start_mark
        self.anchor = event.anchor
        self.mapping: dict[str, LocatedValue] | None = {} if is_mapping else None
        self.elements: list[LocatedValue] = []
        self.key: str | None = None
        self.size = 1

    def close(self) -> LocatedValue:
        value = self.elements if self.mapping is None else self.mapping
        return LocatedValue(value, self.mark.line + 1, self.mark.column + 1)


class _Builder:
    """Build nodes from the events of YAML."""

    def __init__(self) -> None:
        self._open: list[_OpenCollection] = []
        self._anchors: dict[str, tuple[LocatedValue, int]] = {}
        self._count = 0
        self._documents = 0
        self._root: LocatedValue | None = None

    def read(self, text: str) -> LocatedValue:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = FilePosition("", mark.line + 1, mark.column + 1) if mark else _TOP
            raise ApplyFileError(place, f"this is not YAML: {error.problem or error.context}") from error
        except yaml.YAMLError as error:
            first, *_ = str(error).splitlines() or [""]
            raise ApplyFileError(_TOP, f"this is not YAML: {first}") from error
        if self._root is None:
            raise ApplyFileError(_TOP, "the file is empty")
        return self._root

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _at(event, "a second document begins here; a file contains one")
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end(event)

    def _scalar(self, event: Any) -> None:
        _require_no_tag(event, "tag:yaml.org,2002:str")
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.mapping is not None and parent.key is None:
            self._key(parent, event)
            return
        plain = event.implicit[0] and event.tag is None
        node = LocatedValue(_plain(event.value) if plain else event.value, *_line(event))
        # A long string counts more, and so do its aliases.
        self._add(event, node, 1 + len(event.value) // _TEXT_OF_A_VALUE)

    def _key(self, parent: _OpenCollection, event: Any) -> None:
        if event.value == "<<" and event.implicit[0]:
            raise _at(event, "merge keys (<<) are not supported")
        if parent.mapping is not None and event.value in parent.mapping:
            raise _at(event, f"the key {event.value!r} appears twice in one mapping")
        # A key is always a string, so that an account id needs no quotes.
        parent.key = event.value
        self._counted(event, 1)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise _at(event, f"the anchor &{event.anchor} is not defined above this line")
        node, size = self._anchors[event.anchor]
        self._add(event, node, size)

    def _begin(self, event: Any) -> None:
        _require_no_tag(event, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.mapping is not None and parent.key is None:
            raise _at(event, "a key is a text")
        if len(self._open) >= MAX_DEPTH:
            raise _at(event, f"values are nested deeper than {MAX_DEPTH} levels")
        self._open.append(_OpenCollection(event, is_mapping=isinstance(event, yaml.MappingStartEvent)))

    def _end(self, event: Any) -> None:
        ended = self._open.pop()
        node = ended.close()
        if ended.anchor is not None:
            self._anchors[ended.anchor] = (node, ended.size)
        self._add(event, node, ended.size, is_counted=True)

    def _add(self, event: Any, node: LocatedValue, size: int, *, is_counted: bool = False) -> None:
        self._counted(event, 1 if is_counted else size)
        if not isinstance(event, yaml.AliasEvent) and not is_counted and event.anchor is not None:
            self._anchors[event.anchor] = (node, size)
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += size
        if parent.mapping is None:
            parent.elements.append(node)
        elif parent.key is not None:
            parent.mapping[parent.key] = node
            parent.key = None
        else:
            raise _at(event, "a key is a text")

    def _counted(self, event: Any, size: int) -> None:
        self._count += size
        if self._count > MAX_NODES:
            raise _at(event, f"the file holds more than {MAX_NODES} values")


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text


def _require_no_tag(event: Any, *allowed: str) -> None:
    if event.tag is not None and event.tag not in {*allowed, "!"}:
        raise _at(event, f"tags such as {event.tag} are not supported")


def _line(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _at(event: Any, words: str) -> ApplyFileError:
    return ApplyFileError(FilePosition("", *_line(event)), words)
