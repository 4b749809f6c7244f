"""Cut out the values that differ from request to request.

The form is not parsed. Owns the rules for these values. Pure.

- They are the token of a web identity, the name of a session, and the values of session tags in a form with a session
  name. A value is cut out only if its name is spelled plainly, and if it is a plain word: it needs no decoding, and
  every such word is valid.
- The rest of the form, with the number of tags that were cut out, stands for one form alone: two forms with one rest
  differ in the values that were cut out, and in nothing else. A byte that no form with a cut tag contains marks the
  place of each tag's value.
"""

import re
from collections.abc import Mapping
from typing import Final

LONGEST: Final = 1024
"""The longest form in bytes, without these values, that is a short one."""
LONGEST_LONG: Final = 8192

_OF_WORDS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
_TAGS, _PLACE = b"&Tags.member.", b"\0"
_TAG_VALUES = re.compile(rb"(\.Value=)([^&%+]{1,64}+)(?![^&])")
_GROUPS = 3  # pieces of a split for each match: the text before it, and its groups
_TAG_NUMBERS = re.compile(rb"&Tags\.member\.([1-9][0-9]?)\.Value=[A-Za-z0-9_.-]{1,64}+(?![^&])")


class FormVariable:
    """A parameter whose value differs from request to request.

    Plain values are cut out of an unparsed form.
    """

    __slots__ = ("longest", "mark", "name", "shortest")

    def __init__(self, name: str, shortest: int, longest: int) -> None:
        self.name, self.shortest, self.longest = name, shortest, longest
        self.mark = b"&%b=" % name.encode()  # the bytes in front of the value


PROOF: Final = FormVariable("WebIdentityToken", 4, 20_000)
SESSION_NAME: Final = FormVariable("RoleSessionName", 2, 64)

_PROOF_MARK, _NAME_MARK = PROOF.mark, SESSION_NAME.mark
_LONGEST_WITH_NAME = LONGEST_LONG + SESSION_NAME.longest

# A form without its variable values; the token and the session name, or ""; and the values of tags.
CutForm = tuple[bytes, str, str, tuple[str, ...]]


def cut_form(body: bytes) -> CutForm:
    """Cut out the token, the session name and the values of tags.

    The first plainly named ones count.
    """
    proof = session_name = ""
    tags: tuple[str, ...] = ()
    at = body.find(_PROOF_MARK, 0, LONGEST)
    if at >= 0:
        body, proof = _cut_value(body, at, PROOF)
    if len(body) <= _LONGEST_WITH_NAME:
        at = body.find(_NAME_MARK)  # SDKs keep the caller's order: it may come after 50 tags
        if at >= 0:
            body, session_name = _cut_value(body, at, SESSION_NAME)
            if session_name and not proof and _TAGS in body:
                body, tags = _cut_tags(body)
    return body, proof, session_name, tags


def _cut_value(body: bytes, at: int, variable: FormVariable) -> tuple[bytes, str]:
    longest = variable.longest
    start = at + len(variable.mark)
    end = body.find(b"&", start, start + longest + 1)
    value = body[start:] if end < 0 else body[start:end]
    if not variable.shortest <= len(value) <= longest or value.translate(None, _OF_WORDS):
        return body, ""
    return body[:start] + body[start + len(value) :], value.decode("ascii")


def _cut_tags(body: bytes) -> tuple[bytes, tuple[str, ...]]:
    if _PLACE in body:
        return body, ()
    pieces = _TAG_VALUES.split(body)
    values = pieces[2::_GROUPS]
    together = b"&".join(values)
    # A search for the plain words alone takes twice the time. With one other value, no value is cut out.
    if not values or len(together.translate(None, _OF_WORDS)) != len(values) - 1:
        return body, ()
    pieces[2::_GROUPS] = [_PLACE] * len(values)
    return b"".join(pieces), tuple(together.decode("ascii").split("&"))


def tag_numbers(body: bytes) -> list[int]:
    """Return the numbers of the tags with plain values.

    They are in the order of the form. If `cut_form` cut out as many values, it was the values of these tags.
    """
    return [*map(int, _TAG_NUMBERS.findall(body))]


def is_used(form_params: Mapping[str, str], body: bytes, variable: FormVariable, value: str) -> bool:
    """Return whether the value that was cut out is the parameter's.

    An escaped form of the name may come before it, and the first of two counts: the form must not have an earlier one.
    """
    name, mark = variable.name, variable.mark
    return form_params.get(name) == value and list(form_params).index(name) == body.count(b"&", 0, body.index(mark)) + 1
