"""The incremental check of a body: its end stays back until length and hash are right."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.verify import BodyCheck, VerifyError, VerifyReason

_PIECES = st.lists(st.binary(max_size=40), max_size=8)


@given(_PIECES, st.booleans())
def test_a_right_body_passes_whole_and_its_end_last(pieces: list[bytes], announced: bool) -> None:  # noqa: FBT001 - drawn
    """Before finish() at least the last byte is missing."""
    body = b"".join(pieces)
    check = BodyCheck(sha256(body).hexdigest(), length=len(body) if announced else None)
    free = b"".join([check.feed(piece) for piece in pieces])
    assert len(free) < len(body) or not body
    assert free + check.finish() == body


@given(_PIECES, st.data())
def test_a_wrong_body_never_passes_whole(pieces: list[bytes], data: st.DataObject) -> None:
    """A changed, shorter or longer body is refused, for good."""
    body = b"".join(pieces)
    signed = data.draw(st.binary(max_size=60).filter(lambda other: other != body))
    length = data.draw(st.sampled_from([None, len(signed)]))
    check = BodyCheck(sha256(signed).hexdigest(), length=length)
    seen: list[bytes] = []
    with pytest.raises(VerifyError):
        _pass_on(check, pieces, seen)
    assert len(b"".join(seen)) < len(body) or not body
    for again in (check.finish, lambda: check.feed(b"x")):
        with pytest.raises(VerifyError):
            again()


def test_a_body_that_is_too_long_is_refused_at_once() -> None:
    """The bytes behind the announced length are not read."""
    check = BodyCheck(sha256(b"ab").hexdigest(), length=2)
    check.feed(b"ab")
    with pytest.raises(VerifyError) as refused:
        check.feed(b"c")
    assert refused.value.reason is VerifyReason.BODY_LENGTH


def test_a_body_that_is_too_short_is_named_so() -> None:
    """A cut body is another fault of the client than a changed one."""
    check = BodyCheck(sha256(b"ab").hexdigest(), length=2)
    check.feed(b"a")
    with pytest.raises(VerifyError) as refused:
        check.finish()
    assert refused.value.reason is VerifyReason.BODY_LENGTH


def _pass_on(check: BodyCheck, pieces: list[bytes], seen: list[bytes]) -> None:
    for piece in pieces:
        seen += [check.feed(piece)]
    seen.append(check.finish())
