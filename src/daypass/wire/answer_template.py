"""XML answers that differ in a few plain values.

Owns the places of these values in an answer. The service model's writer writes the answer once, with a mark at each
place, so that a filled template has the bytes that the writer would have written. A value is plain if it needs no
escape; the code that fills in a template makes sure of that.
"""

from collections.abc import Sequence


def make_answer_template(document: str, marks: Sequence[str]) -> str:
    """Return `document` as a format with `%s` at each mark.

    `marks` are in the order of the document; a mark that occurs twice is listed twice. Raises ValueError if the
    document has them in another order, or more of them.
    """
    pieces, rest = [], document
    for mark in marks:
        piece, found, rest = rest.partition(mark)
        if not found:
            raise ValueError("the answer does not have the values in this order")
        pieces.append(piece)
    pieces.append(rest)
    if any(mark in piece for piece in pieces for mark in marks):
        raise ValueError("the answer has more places than values")
    return "%s".join(piece.replace("%", "%%") for piece in pieces)
