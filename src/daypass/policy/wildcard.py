"""Matching of `*` and `?` without trying anything twice, whatever the pattern.

Owns patterns as tokens and the matchers made of them. Which characters of a policy are wildcards at all is
for template.py to say; a value put in place of a variable arrives here as literal text.
No regular expression is ever made of policy text: `*a*a*a*` makes a backtracking engine try for years, a piece of
question marks is tried anew at each character, and a session policy is written by whoever holds the credentials.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache

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
    """Return the cheapest matcher for a pattern. It is anchored at both ends, and costs next to nothing to make."""
    wild = {token for token in tokens if isinstance(token, Wild)}
    if not wild:
        return "".join(str(token) for token in tokens).__eq__
    if wild == {Wild.ANY}:
        return _match_pieces(tokens)
    return _match_places(tokens)


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


def _match_places(tokens: Sequence[Token]) -> Match:
    """Follow every way through the text at once: each place between two characters is one bit of a number.

    A set bit says that the pattern, as far as it was read, fits the text up to that place. So one step of the
    pattern moves all places together, and the work grows with the pattern's letters alone while a text fits into
    a few machine words; a run of question marks is one step, however long.
    """
    steps = _steps_of(tokens)
    first, last = _literal(steps[0]), _literal(steps[-1])
    between = steps[1 if first else 0 : -1 if last else None]

    def match(text: str) -> bool:
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return False
        return _last_places(between, 1 << len(first), text) >> end & 1 == 1

    return match


def _literal(step: tuple[Token, int]) -> str:
    return step[0] if isinstance(step[0], str) else ""


def _last_places(steps: Sequence[tuple[Token, int]], reached: int, text: str) -> int:
    """Return the places that all steps lead to."""
    places, everywhere = _places_of(text), (2 << len(text)) - 1
    for token, times in steps:
        if token is Wild.ANY:
            reached = everywhere & -(reached & -reached)
        elif token is Wild.ONE:
            reached = (reached << times) & everywhere if times <= len(text) else 0
        elif isinstance(token, Wild):
            reached = _stay_in_part(token, times, reached, (everywhere >> 1) & ~places[":"])
        elif token in text:
            for letter in token:
                reached = (reached & places[letter]) << 1
        else:
            reached = 0
        if not reached:
            break
    return reached


def _stay_in_part(token: Wild, times: int, reached: int, no_colon: int) -> int:
    """Move over characters of which none is a colon: exactly `times` of them, or any number."""
    if token is Wild.PART_ANY:
        # Adding a bit to a run of ones carries through the run to its end, which marks all that can be reached.
        return reached | (((reached & no_colon) + no_colon) ^ no_colon)
    for _ in range(times):
        reached = (reached & no_colon) << 1
        if not reached:
            break
    return reached


def _steps_of(tokens: Sequence[Token]) -> tuple[tuple[Token, int], ...]:
    """Return the tokens with equal wildcards in a row as one, and how often it stands there."""
    steps: list[tuple[Token, int]] = []
    for token in tokens:
        if isinstance(token, Wild) and steps and steps[-1][0] is token:
            steps[-1] = (token, steps[-1][1] + 1)
        elif token != "":
            steps.append((token, 1))
    return tuple(steps)


class _Places(dict[str, int]):
    """Where each character stands in one text: bit i of its number is set where character i is this one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, character: str) -> int:
        between = reversed(self._text.split(character))
        found = self[character] = int("1".join(["0" * len(piece) for piece in between]) or "0", 2)
        return found


# Only texts of this length are remembered: of a longer one, each different character takes kilobytes.
LONGEST_REMEMBERED = 2_048
_remembered_places = lru_cache(maxsize=64)(_Places)


def _places_of(text: str) -> _Places:
    return _remembered_places(text) if len(text) <= LONGEST_REMEMBERED else _Places(text)
