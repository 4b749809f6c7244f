"""The XML of small bodies, written.

Owns escaping: a parser returns the text that was written. Leaves reading to xml_bodies.py.
"""

import re

from daypass.verify.s3.errors import s3_error

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# XML 1.0, section 2.2: these characters cannot be in a document, not even as references.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_document(root: str, namespace: str, *elements: str) -> bytes:
    """Return a document whose root has the elements, or is empty."""
    return f'{_DECLARATION}<{root} xmlns="{namespace}">{"".join(elements)}</{root}>'.encode()


def write_element(name: str, *elements: str, text: str = "") -> str:
    """Return an element with other elements, or with text.

    Raises S3Error if the text has a character that XML cannot express.
    """
    return f"<{name}>{escape_xml(text)}{''.join(elements)}</{name}>"


def escape_xml(text: str) -> str:
    """Return the text in XML, or raise S3Error.

    A parser would change a carriage return that is not a reference.
    """
    if _NOT_XML.search(text):
        raise s3_error("InternalError", detail="a text with a character that XML cannot express")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
