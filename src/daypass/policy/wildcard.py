"""Matching of `*` and `?` in time linear in the text, whatever the pattern.

Owns patterns as tokens and the matchers made of them. Which characters of a policy are wildcards at all is
for template.py to say; a value put in place of a variable arrives here as literal text.
No regular expression with a repetition is ever made of policy text: `*a*a*a*` makes a backtracking engine try for
years, and a session policy is written by whoever holds the credentials. A piece between two stars has a fixed length
and nothing to try again.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum

Match = Callable[[str], bool]


class Wild(Enum):
    """A wildcard. The PART forms stop at a colon."""

    ANY = "*"
    ONE = "?"
    PART_ANY = "*, but no colon"
    PART_ONE = "?, but no colon"


Token = str | Wild


def tokens_of(text: str) -> list[Token]:
    """Return `text` with its `*` and `?` as wildcards and the rest as literal pieces."""
    found: list[Token] = []
    start = 0
    for at, character in enumerate(text):
        if character in "*?":
            if at > start:
                found.append(text[start:at])
            found.append(Wild.ANY if character == "*" else Wild.ONE)
            start = at + 1
    if start < len(text):
        found.append(text[start:])
    return found


def compile_wildcard(tokens: Sequence[Token]) -> Match:
    """Return the cheapest matcher for a pattern. It is anchored at both ends."""
    wild = {token for token in tokens if isinstance(token, Wild)}
    if not wild:
        return "".join(str(token) for token in tokens).__eq__
    if wild == {Wild.ANY}:
        return _match_pieces(tokens)
    if wild <= {Wild.ANY, Wild.ONE}:
        return _match_shapes(tokens)
    return _match_states(tokens)


def _match_pieces(tokens: Sequence[Token]) -> Match:
    """Literal pieces between stars: the leftmost place of each is always a right one."""
    pieces = [""]
    for token in tokens:
        if isinstance(token, Wild):
            pieces.append("")
        else:
            pieces[-1] += token
    first, last = pieces[0], pieces[-1]
    middle = tuple(piece for piece in pieces[1:-1] if piece)
    if not middle:
        return _match_ends(first, last)
    least = len(first) + len(last)

    def match(text: str) -> bool:
        if len(text) < least or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return match


def _match_ends(first: str, last: str) -> Match:
    if not last:
        return lambda text: text.startswith(first)
    if not first:
        return lambda text: text.endswith(last)
    least = len(first) + len(last)
    return lambda text: len(text) >= least and text.startswith(first) and text.endswith(last)


def _match_shapes(tokens: Sequence[Token]) -> Match:
    """Pieces of letters and question marks between stars: again the leftmost place of each is a right one."""
    lengths, sources = [0], [""]
    for token in tokens:
        if token is Wild.ANY:
            lengths.append(0)
            sources.append("")
        else:
            lengths[-1] += len(token) if isinstance(token, str) else 1
            sources[-1] += re.escape(token) if isinstance(token, str) else "."
    shapes = [re.compile(source, re.DOTALL) for source in sources]
    first, last, least = shapes[0], shapes[-1], lengths[0] + lengths[-1]
    if len(shapes) == 1:
        return lambda text: first.fullmatch(text) is not None
    middle = tuple(shape.search for shape, length in zip(shapes[1:-1], lengths[1:-1], strict=True) if length)

    def match(text: str) -> bool:
        end = len(text) - lengths[-1]
        if len(text) < least or not first.match(text) or not last.match(text, end):
            return False
        at = lengths[0]
        for find in middle:
            found = find(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    return match


def _match_states(tokens: Sequence[Token]) -> Match:
    """Every place in the pattern is one bit of a number, so that one step moves all of them at once.

    A bit stands for "the pattern up to here fits the text up to here". Reading a character shifts each bit
    over the one-character element that accepts it; a star keeps its bit where it is.
    """
    letters: dict[str, int] = {}
    ones = {Wild.ONE: 0, Wild.PART_ONE: 0}
    stars = {Wild.ANY: 0, Wild.PART_ANY: 0}
    place = 0
    for token in tokens:
        if isinstance(token, str):
            for character in token:
                letters[character] = letters.get(character, 0) | (1 << place)
                place += 1
        elif token in stars:
            stars[token] |= 1 << place
        else:
            ones[token] |= 1 << place
            place += 1
    accepted = 1 << place
    at_colon = (ones[Wild.ONE], stars[Wild.ANY])
    elsewhere = (ones[Wild.ONE] | ones[Wild.PART_ONE], stars[Wild.ANY] | stars[Wild.PART_ANY])

    def match(text: str) -> bool:
        states = 1
        for character in text:
            moves, stays = at_colon if character == ":" else elsewhere
            states = ((states & (letters.get(character, 0) | moves)) << 1) | (states & stays)
            if not states:
                return False
        return bool(states & accepted)

    return match
