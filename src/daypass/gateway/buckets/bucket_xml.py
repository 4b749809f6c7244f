"""The XML of bucket operations: bodies of requests and of answers.

Owns a strict reader for small documents: no document type, no entities, no attributes but namespaces, elements of the
expected name only, each once. Everything else is MalformedXML. Source: Amazon S3 API Reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from daypass.verify.s3.errors import s3_error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_DEEPEST = 8


@dataclass(slots=True)
class XmlElement:
    """An element: its name without namespace, its text, its children."""

    name: str
    text: str = ""
    children: list["XmlElement"] = field(default_factory=list)

    def fields(self, *allowed: str) -> dict[str, "XmlElement"]:
        """Return the children by name.

        Raises S3Error if one is not allowed or is given twice.
        """
        found: dict[str, XmlElement] = {}
        for child in self.children:
            if child.name not in allowed or child.name in found:
                raise s3_error("MalformedXML")
            found[child.name] = child
        return found


def parse_xml(body: bytes, root: str) -> XmlElement:
    """Return the root element of a request body. Raises S3Error."""
    reader = _XmlReader()
    try:
        reader.parser.Parse(body, True)  # noqa: FBT003 - the parameter has no name
    except (expat.ExpatError, ValueError) as problem:
        raise s3_error("MalformedXML") from problem
    found = reader.root
    if found is None or found.name != root:
        raise s3_error("MalformedXML")
    return found


class _XmlReader:
    """Builds elements from the events of the parser."""

    def __init__(self) -> None:
        self.root: XmlElement | None = None
        self._open: list[XmlElement] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        # Without a document type there are no entities to expand.
        self.parser.StartDoctypeDeclHandler = _refuse
        self.parser.EntityDeclHandler = _refuse
        self.parser.ProcessingInstructionHandler = _refuse

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        foreign = any(not key.startswith("http://www.w3.org/2001/XMLSchema-instance ") for key in attributes)
        if space not in {"", NAMESPACE} or foreign or len(self._open) >= _DEEPEST:
            raise s3_error("MalformedXML")
        element = XmlElement(local)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        element = self._open.pop()
        element.text = element.text.strip()
        if element.children and element.text:
            raise s3_error("MalformedXML")

    def _text(self, text: str) -> None:
        self._open[-1].text += text


def _refuse(*_: object) -> None:
    raise s3_error("MalformedXML")


def write_xml(root: str, *content: str) -> bytes:
    """Return a document of S3's namespace."""
    return f'{_HEAD}<{root} xmlns="{NAMESPACE}">{"".join(content)}</{root}>'.encode()


def xml_text(name: str, text: str) -> str:
    """Return an element with text."""
    return f"<{name}>{escape(text)}</{name}>"


def xml_group(name: str, content: Sequence[str]) -> str:
    """Return an element with other elements."""
    return f"<{name}>{''.join(content)}</{name}>"
