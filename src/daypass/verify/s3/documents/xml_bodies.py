"""A strict reader for the small XML bodies of S3 requests.

Owns the rules that give a body one meaning for every reader: UTF-8 alone; no document type, entities, processing
instructions, comments, CDATA sections or attributes; one namespace; no text beside elements; an element of a name once.
Everything else is MalformedXML. So is a body of more than 10,000 elements: anonymous callers may send bodies, and an
element takes more memory than its bytes.
"""

from collections.abc import Iterator, Mapping
from typing import NoReturn
from xml.parsers import expat

from daypass.verify.s3.errors import S3Error, s3_error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DEEPEST = 8
_MOST_ELEMENTS = 10_000  # DeleteObjects has 1,000 keys, each with at most 5 elements inside


class XmlNode:
    """An element: its name without the namespace, its text, its children."""

    __slots__ = ("_children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = ""
        self._children: list[XmlNode] = []

    def expect(self, name: str) -> "XmlNode":
        """Return this element. Raises S3Error if it has another name."""
        if self.name != name:
            raise malformed_xml(f"{self.name} instead of {name}")
        return self

    def allow(self, *names: str) -> "XmlNode":
        """Return this element. Raises S3Error if it has other children."""
        for child in self._children:
            if child.name not in names:
                raise malformed_xml(f"unexpected element {child.name}")
        return self

    def find(self, name: str) -> "XmlNode | None":
        """Return the child of a name, or None.

        Raises S3Error if there are several.
        """
        found = [child for child in self._children if child.name == name]
        if len(found) > 1:
            raise malformed_xml(f"several elements {name}")
        return found[0] if found else None

    def child(self, name: str) -> "XmlNode":
        """Return the child of a name. Raises S3Error if there is not exactly one."""
        found = self.find(name)
        if found is None:
            raise malformed_xml(f"the element {name} is missing")
        return found

    def find_text(self, name: str) -> str | None:
        """Return the text of the child of a name, or None."""
        found = self.find(name)
        return None if found is None else found.leaf_text()

    def leaf_text(self) -> str:
        """Return the text. Raises S3Error if there are children."""
        if self._children:
            raise malformed_xml(f"elements in {self.name}")
        return self.text

    def children(self) -> Iterator["XmlNode"]:
        """Yield the children in their order."""
        yield from self._children

    def add(self, child: "XmlNode") -> None:
        """Append a child."""
        self._children.append(child)

    def close(self) -> None:
        """Raise S3Error if there is text beside children."""
        if self._children and self.text.strip():
            raise malformed_xml(f"text beside elements in {self.name}")


def parse_xml_body(body: bytes) -> XmlNode:
    """Return the root element of a body. Raises S3Error."""
    reader = _Reader()
    try:
        body.decode()
        reader.parser.Parse(body, True)  # noqa: FBT003 - the parameter has no name
    except (expat.ExpatError, ValueError) as problem:
        raise malformed_xml(type(problem).__name__) from problem
    if reader.root is None:
        raise malformed_xml("no element")
    return reader.root


def malformed_xml(detail: str) -> S3Error:
    """Return the error of a malformed body."""
    return s3_error("MalformedXML", detail=detail[:256])


class _Reader:
    """Builds elements from the events of the parser."""

    def __init__(self) -> None:
        self.root: XmlNode | None = None
        self._open: list[XmlNode] = []
        self._count = 0
        self.parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add_text
        self.parser.XmlDeclHandler = _check_declaration
        self.parser.StartDoctypeDeclHandler = _refuse
        self.parser.EntityDeclHandler = _refuse
        self.parser.ProcessingInstructionHandler = _refuse
        self.parser.CommentHandler = _refuse
        self.parser.StartCdataSectionHandler = _refuse

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if space not in {"", NAMESPACE} or attributes or len(self._open) >= _DEEPEST:
            raise malformed_xml("namespace, attribute or depth")
        self._count += 1
        if self._count > _MOST_ELEMENTS:
            raise malformed_xml("too many elements")
        node = XmlNode(local)
        if self._open:
            self._open[-1].add(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _name: str) -> None:
        self._open.pop().close()

    def _add_text(self, text: str) -> None:
        self._open[-1].text += text


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() != "utf-8":
        raise malformed_xml("encoding")


def _refuse(*_: object) -> NoReturn:
    raise malformed_xml("document type, entity, comment, CDATA or processing instruction")
