"""Short codes, which a person types into the browser of another machine.

Owns their alphabet, and the limit on guesses. The rules (RFC 8628 section 5.1):

* A code has eight of twenty letters. Case, blanks and dashes do not matter.
* A network has five wrong codes in five minutes, for all kinds of code together.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from daypass.directory.store import Reader, Writer
from daypass.errors import Throttling
from daypass.operations.request_context import RequestContext
from daypass.sign_in import pending_records
from daypass.wire.peer_network import peer_network

MOST_WRONG = 5
_MINUTES = timedelta(minutes=5)
# Without vowels, codes do not spell words. The letters are not similar to each other.
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 8

T = TypeVar("T")


def new_code(ctx: RequestContext) -> str:
    """Return a random code."""
    # Skip bytes of 240 and more, so that all letters are equally likely.
    letters = ""
    while len(letters) < _LENGTH:
        letters += "".join(_ALPHABET[byte % 20] for byte in ctx.entropy(16) if byte < 240)  # noqa: PLR2004
    return letters[:_LENGTH]


def shown_code(code: str) -> str:
    """Return a code in its displayed form, BCDF-GHJK."""
    return f"{code[:4]}-{code[4:]}"


def read_code(typed: str) -> str:
    """Return a typed code in its stored form, or "" if it is not one."""
    code = "".join(letter for letter in typed.upper() if letter not in " -\t")
    return code if len(code) == _LENGTH and all(letter in _ALPHABET for letter in code) else ""


def try_code(typed: str, peer: str, find: Callable[[Reader, str], T], ctx: RequestContext) -> T | None:
    """Return the value of a code, or count a wrong code and return None.

    `find` looks up the value of a stored form. Raises Throttling after five wrong codes from the network in five
    minutes. One transaction reads the count, finds the code and increments the count: parallel attempts cannot exceed
    the limit, and a right code is not accepted if a wrong one could not be counted.
    """
    with ctx.snapshot() as reader:
        _require_tries(reader, peer, ctx)  # Refuse a throttled network without waiting for the writer.
    with ctx.new_transaction() as writer:
        wrong = _require_tries(writer, peer, ctx)
        code = read_code(typed)
        found = find(writer, code) if code else None
        if found is None:
            _count_wrong_code(writer, peer, wrong, ctx)
        return found


def _require_tries(reader: Reader, peer: str, ctx: RequestContext) -> int:
    """Return the number of wrong codes from a network in five minutes.

    Raises Throttling if there are five or more.
    """
    wrong = int(pending_records.find(reader, _tries(peer), ctx=ctx) or 0)
    if wrong >= MOST_WRONG:
        raise Throttling("Rate exceeded", detail="too many wrong codes came from this network")
    return wrong


def _count_wrong_code(writer: Writer, peer: str, wrong: int, ctx: RequestContext) -> None:
    if wrong:
        pending_records.change(writer, _tries(peer), b"%d" % (wrong + 1), ctx=ctx)
    else:
        pending_records.put(writer, _tries(peer), b"1", ends=ctx.now + _MINUTES, ctx=ctx)


def _tries(peer: str) -> str:
    return f"tries:{peer_network(peer)}"
