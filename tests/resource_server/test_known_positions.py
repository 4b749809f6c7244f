"""Resource servers name a revision by its number alone: the server knows which write it meant, or says so."""

from daypass.directory.changes import EMPTY, NOWHERE, Position
from daypass.resource_server import known_positions
from daypass.resource_server.known_positions import KnownPositions


def test_a_number_means_the_write_that_was_told() -> None:
    """The start of every history is known without being told."""
    known = KnownPositions()
    assert known.find(0) == EMPTY
    assert known.find(-1) == known.find(7) == NOWHERE
    known.note(Position(7, b"seven"))
    known.note(Position(7, b"seven"))
    assert known.find(7) == Position(7, b"seven")


def test_a_number_of_two_histories_is_not_known() -> None:
    """After a failover nobody can say which of the two writes a resource server has seen: it must start anew."""
    known = KnownPositions()
    for position in (Position(7, b"old"), Position(7, b"new"), Position(8, b"new")):
        known.note(position)
    assert known.find(7) == NOWHERE
    assert [known.is_ambiguous(number) for number in (6, 7, 8)] == [False, True, False]
    known.note(Position(7, b"new"))
    assert known.find(7) == NOWHERE
    assert known.find(8) == Position(8, b"new")


def test_the_oldest_positions_are_forgotten() -> None:
    """The memory is bounded, and a forgotten number is not known."""
    known = KnownPositions()
    for number in range(1, known_positions.MOST_POSITIONS + 3):
        known.note(Position(number, b"x"))
    assert known.find(1) == known.find(2) == NOWHERE
    assert known.find(3) == Position(3, b"x")
