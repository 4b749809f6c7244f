"""A reader for the small XML documents in a store's answers.

Owns the parser, the path to the current element, and the refusal of document types. Namespaces do not count. Leaves the
meaning of the elements to its subclasses.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from xml.parsers import expat


class StoreAnswerReader(ABC):
    """Calls a subclass at each start, end and text.

    `_path` has the names of the open elements.
    """

    def __init__(self) -> None:
        self._path: list[str] = []
        self._texts: dict[str, str] = {}  # of the children of the entry that is open
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = _refuse

    def read(self, body: bytes) -> bool:
        """Return whether a whole document was read.

        It was not if it is not well-formed or has a document type.
        """
        try:
            self._parser.Parse(body, True)  # noqa: FBT003 - the parameter has no name
        except (expat.ExpatError, ValueError):
            return False
        return True

    def _start(self, name: str, _attributes: Mapping[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._opened()

    def _end(self, _name: str) -> None:
        self._closing()
        self._path.pop()

    def _add_text(self, text: str) -> None:
        """Add a text to the child of the open entry."""
        self._texts[self._path[-1]] = self._texts.get(self._path[-1], "") + text

    @abstractmethod
    def _opened(self) -> None:
        """Handle the start of the element at the end of the path."""

    @abstractmethod
    def _closing(self) -> None:
        """Handle the end of the element at the end of the path."""

    @abstractmethod
    def _text(self, text: str) -> None:
        """Handle a part of the text of the element at the end of the path."""


def _refuse(*_: object) -> None:
    raise ValueError("a document type")
