"""Match `*` and `?` without backtracking.

Owns patterns as tokens and their matchers. Leaves to template.py which characters are wildcards; a variable's value
arrives as a literal string. Policy strings are never compiled to regular expressions: with `*a*a*a*` a backtracking
engine takes years, it retries a run of question marks at each character, and every holder of credentials can write a
session policy.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache

Match = Callable[[str], bool]


class Wild(Enum):
    """A wildcard. The PART forms do not match a colon."""

    ANY = "*"
    ONE = "?"
    PART_ANY = "*, but no colon"
    PART_ONE = "?, but no colon"


Token = str | Wild


def tokens_of(text: str) -> list[Token]:
    """Return `text` with `*` and `?` as wildcards and the rest as literals."""
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
    """Return the cheapest matcher for a pattern.

    Anchored at both ends and cheap to create.
    """
    wild = {token for token in tokens if isinstance(token, Wild)}
    if not wild:
        return "".join(str(token) for token in tokens).__eq__
    if wild == {Wild.ANY}:
        return _match_pieces(tokens)
    return _match_places(tokens)


def _match_pieces(tokens: Sequence[Token]) -> Match:
    """Match literals between stars: the leftmost occurrence of each is correct."""
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
    """Follow every match at the same time: one bit for each position.

    A set bit means that the pattern so far matches the string up to that position. One step moves all positions
    together. While a string fits into a few machine words, the work depends only on the pattern's length; a run of
    question marks is one step.
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
    """Return the positions after all steps."""
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
    """Move over characters except colons: exactly `times`, or any number."""
    if token is Wild.PART_ANY:
        # Adding a bit to a run of ones carries to its end, which marks every reachable position.
        return reached | (((reached & no_colon) + no_colon) ^ no_colon)
    for _ in range(times):
        reached = (reached & no_colon) << 1
        if not reached:
            break
    return reached


def _steps_of(tokens: Sequence[Token]) -> tuple[tuple[Token, int], ...]:
    """Return the tokens, with runs of equal wildcards merged and counted."""
    steps: list[tuple[Token, int]] = []
    for token in tokens:
        if isinstance(token, Wild) and steps and steps[-1][0] is token:
            steps[-1] = (token, steps[-1][1] + 1)
        elif token != "":
            steps.append((token, 1))
    return tuple(steps)


class _Places(dict[str, int]):
    """The positions of each character in a string.

    Bit i of a character's number is set if the character is at position i.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, character: str) -> int:
        between = reversed(self._text.split(character))
        found = self[character] = int("1".join(["0" * len(piece) for piece in between]) or "0", 2)
        return found


# Longer strings are not cached: each different character would take kilobytes.
LONGEST_REMEMBERED = 2_048
_remembered_places = lru_cache(maxsize=64)(_Places)


def _places_of(text: str) -> _Places:
    return _remembered_places(text) if len(text) <= LONGEST_REMEMBERED else _Places(text)
