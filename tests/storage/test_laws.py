"""Laws for every sequence of writes: all stores and the cache agree."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.storage.conftest import HandClock

from daypass.directory.store import Link, Reader, Record, RecordExistsError, RecordMissingError, Store, Writer
from daypass.storage.cache import StoreCache
from daypass.storage.memory import MemoryStore
from daypass.storage.storable_text import end_of_prefix

ACCOUNTS = ("1", "2")
NAMES = st.sampled_from(["a", "b", "/a/b", "/a/", "/a/c/d", "é", "\U0010ffff"])
Step = Callable[[Writer], None]
Question = tuple[Callable[..., Any], tuple[Any, ...]]


def _insert(record: Record, writer: Writer) -> None:
    writer.insert(record)


def _replace(record: Record, writer: Writer) -> None:
    writer.replace(record)


def _delete(record: Record, writer: Writer) -> None:
    writer.delete(record.kind, record.account, record.key)


def _link(link: Link, writer: Writer) -> None:
    writer.link(link)


def _unlink(link: Link, writer: Writer) -> None:
    writer.unlink(link.kind, link.source, link.target)


records = st.builds(
    Record,
    kind=st.just("k"),
    account=st.sampled_from(ACCOUNTS),
    key=NAMES,
    sort=NAMES,
    unique_id=st.none() | NAMES,
    body=st.binary(max_size=3),
)
links = st.builds(Link, st.just("l"), NAMES, NAMES, st.binary(max_size=3))
steps = st.one_of(
    st.builds(partial, st.sampled_from([_insert, _insert, _replace, _delete]), records),
    st.builds(partial, st.sampled_from([_link, _link, _unlink]), links),
)
transactions = st.lists(st.lists(steps, max_size=4), max_size=8)


def _find(reader: Reader, account: str, key: str) -> Record | None:
    return reader.find("k", account, key)


def _find_by_id(reader: Reader, unique_id: str) -> Record | None:
    return reader.find_by_id(unique_id)


def _page(reader: Reader, account: str | None, after: str, prefix: str, limit: int) -> tuple[Record, ...]:
    return tuple(reader.page("k", account, after=after, prefix=prefix, limit=limit))


def _count(reader: Reader, account: str) -> int:
    return reader.count("k", account)


def _targets(reader: Reader, end: str, after: str) -> tuple[Link, ...]:
    return tuple(reader.targets("l", end, after=after))


def _targets_of(reader: Reader, ends: tuple[str, ...]) -> tuple[Link, ...]:
    return tuple(reader.targets_of("l", ends))


def _sources(reader: Reader, end: str, after: str) -> tuple[Link, ...]:
    return tuple(reader.sources("l", end, after=after))


def _find_link(reader: Reader, source: str, target: str) -> Link | None:
    return reader.find_link("l", source, target)


def _count_sources(reader: Reader, end: str) -> int:
    return reader.count_sources("l", end)


accounts = st.sampled_from(ACCOUNTS)
afters = st.just("") | NAMES
questions: st.SearchStrategy[Question] = st.one_of(
    st.tuples(st.just(_find), st.tuples(accounts, NAMES)),
    st.tuples(st.just(_find_by_id), st.tuples(NAMES)),
    st.tuples(st.just(_page), st.tuples(accounts | st.none(), afters, afters, st.integers(1, 3))),
    st.tuples(st.just(_count), st.tuples(accounts)),
    st.tuples(st.just(_targets), st.tuples(NAMES, afters)),
    st.tuples(st.just(_targets_of), st.tuples(st.lists(NAMES, max_size=3).map(tuple))),
    st.tuples(st.just(_sources), st.tuples(NAMES, afters)),
    st.tuples(st.just(_find_link), st.tuples(NAMES, NAMES)),
    st.tuples(st.just(_count_sources), st.tuples(NAMES)),
)

# The stores of a test function are shared by its examples on purpose: every example starts by emptying them.
_relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _run(store: Store, transaction: list[Step]) -> list[str]:
    """Run a transaction; return the result of each step."""
    outcomes = []
    with store.write() as writer:
        for step in transaction:
            try:
                step(writer)
            except (RecordExistsError, RecordMissingError) as refusal:
                outcomes.append(type(refusal).__name__)
            else:
                outcomes.append("done")
    return outcomes


def _empty(store: Store) -> None:
    with store.write() as writer:
        for record in writer.page("k", None, limit=1000):
            writer.delete("k", record.account, record.key)
        for source in ("a", "b", "/a/b", "/a/", "/a/c/d", "é", "\U0010ffff"):
            for link in writer.targets("l", source):
                writer.unlink("l", link.source, link.target)


@settings(_relaxed, max_examples=30)
@given(transactions=transactions, questions=st.lists(questions, min_size=5, max_size=15))
def test_every_store_answers_as_memory_does(
    store: Store, clock: HandClock, transactions: list[list[Step]], questions: list[Question]
) -> None:
    """The results of any writes and reads are the same on every store."""
    _empty(store)
    model = MemoryStore(clock)
    for transaction in transactions:
        assert _run(store, transaction) == _run(model, transaction)
    with store.read() as reader, model.read() as expected:
        for ask, args in questions:
            assert ask(reader, *args) == ask(expected, *args)


@settings(_relaxed, max_examples=150)
@given(
    rounds=st.lists(st.tuples(st.lists(questions, max_size=4), st.lists(steps, max_size=3)), max_size=8),
)
def test_a_cached_answer_is_the_store_s_answer(rounds: list[tuple[list[Question], list[Step]]]) -> None:
    """After any reads and writes, the cache returns the store's result."""
    store = MemoryStore(HandClock())
    cache = StoreCache(store, monotonic=lambda: 0.0)
    asked: list[Question] = []
    for new_questions, transaction in rounds:
        asked += new_questions
        _run(store, transaction)
        with store.read() as reader:
            for ask, args in asked:
                assert cache.loading.get(ask, *args) == ask(reader, *args)


@given(texts=st.lists(st.text(max_size=4), max_size=20), prefix=st.text(max_size=3))
def test_the_end_of_a_prefix_is_tight(texts: list[str], prefix: str) -> None:
    """Exactly the strings with a prefix are between the prefix and its end."""
    end = end_of_prefix(prefix)
    for text in [*texts, prefix, prefix + "\U0010ffff"]:
        lies_between = text >= prefix and (end is None or text < end)
        assert lies_between is text.startswith(prefix)


@given(held=st.integers(0, 5), later=st.integers(0, 10))
def test_a_claim_is_free_again_exactly_after_its_time(held: int, later: int) -> None:
    """A claim is kept up to and including `until`, for every duration."""
    clock = HandClock()
    store = MemoryStore(clock)
    assert store.claim("k", until=clock.now() + timedelta(seconds=held))
    clock.move(timedelta(seconds=later))
    assert store.claim("k", until=clock.now()) is (later > held)
