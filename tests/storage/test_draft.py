"""A draft answers like a transaction, and is written if its reads are still true."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.storage.conftest import HandClock
from tests.storage.test_laws import Question, Step, questions, steps

from daypass.directory.store import Link, Record, RecordExistsError, RecordMissingError, Store, Writer
from daypass.storage.draft import Draft
from daypass.storage.memory import MemoryStore


def _record(key: str, body: bytes = b"") -> Record:
    return Record(kind="k", account="1", key=key, sort=key, body=body, unique_id=f"id-{key}")


def _take(writer: Writer, step: Step) -> str:
    try:
        step(writer)
    except (RecordExistsError, RecordMissingError) as refusal:
        return type(refusal).__name__
    return "done"


def _filled(taken: list[Step]) -> MemoryStore:
    store = MemoryStore(HandClock())
    with store.write() as writer:
        for step in taken:
            _take(writer, step)
    return store


@settings(deadline=None, max_examples=200)
@given(
    before=st.lists(steps, max_size=8),
    taken=st.lists(st.tuples(steps, st.lists(questions, max_size=4)), max_size=8),
    last=st.lists(questions, min_size=5, max_size=15),
)
def test_a_draft_answers_as_a_transaction(
    before: list[Step], taken: list[tuple[Step, list[Question]]], last: list[Question]
) -> None:
    """Any steps have the same results in both, and the same effect when the draft is written."""
    plain, drafted = _filled(before), _filled(before)
    with plain.write() as writer, drafted.read() as snapshot:
        draft = Draft(snapshot)
        for step, asked in taken:
            assert _take(draft, step) == _take(writer, step)
            for ask, args in asked:
                assert ask(draft, *args) == ask(writer, *args)
    with drafted.write() as writer:
        assert draft.write_to(writer, drafted)
    with plain.read() as expected, drafted.read() as reader:
        for ask, args in last:
            assert ask(reader, *args) == ask(expected, *args)


@settings(deadline=None, max_examples=200)
@given(
    before=st.lists(steps, max_size=8),
    taken=st.lists(steps, max_size=5),
    others=st.lists(steps, min_size=1, max_size=4),
    last=st.lists(questions, min_size=5, max_size=15),
)
def test_a_written_draft_is_a_transaction_after_the_others(
    before: list[Step], taken: list[Step], others: list[Step], last: list[Question]
) -> None:
    """A draft that is written after other writes has the effect and the results of a transaction after them."""
    plain, drafted = _filled(before), _filled(before)
    with drafted.read() as snapshot:
        draft = Draft(snapshot)
        results = [_take(draft, step) for step in taken]
    for store in (plain, drafted):
        with store.write() as writer:
            for step in others:
                _take(writer, step)
    with drafted.write() as writer:
        if not draft.write_to(writer, drafted):
            return
    with plain.write() as writer:
        assert [_take(writer, step) for step in taken] == results
    with plain.read() as expected, drafted.read() as reader:
        for ask, args in last:
            assert ask(reader, *args) == ask(expected, *args)


@pytest.mark.parametrize(
    ("other", "is_written"), [(_record("a", b"new"), False), (_record("b"), False), (_record("c"), True)]
)
def test_a_draft_is_refused_if_what_it_read_has_changed(store: Store, other: Record, *, is_written: bool) -> None:
    """A record that was read and a name that was free count, other records do not."""
    with store.write() as writer:
        writer.insert(_record("a"))
    with store.read() as snapshot:
        draft = Draft(snapshot)
        assert draft.find("k", "1", "a") is not None
        assert draft.find("k", "1", "b") is None
        draft.link(Link("l", "id-a", "x"))
    with store.write() as writer:
        if other.key == "a":
            writer.replace(other)
        else:
            writer.insert(other)
    with store.write() as writer:
        assert draft.write_to(writer, store) is is_written
    with store.read() as reader:
        assert (reader.find_link("l", "id-a", "x") is not None) is is_written


def test_a_draft_claims_when_it_is_written(store: Store, clock: HandClock) -> None:
    """A claim counts once in the draft, and another one in the store refuses the draft."""
    until = clock.now() + timedelta(hours=1)
    with store.read() as snapshot:
        draft = Draft(snapshot)
        assert draft.claim("once", until=until)
        assert not draft.claim("once", until=until)
    assert store.claim("once", until=until)
    with store.write() as writer:
        assert not draft.write_to(writer, store)


def test_a_draft_of_another_history_is_refused(store: Store) -> None:
    """A database that failed over may have changed in every place, also with the same number of writes."""
    with store.write() as writer:
        writer.insert(_record("b"))
    with store.read() as snapshot:
        draft = Draft(snapshot)
        draft.position = draft.position._replace(nonce=bytes(16))
        draft.insert(_record("a"))
    with store.write() as writer:
        assert not draft.write_to(writer, store)
