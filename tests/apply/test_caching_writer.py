"""A caching transaction returns the same results as a plain one."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.apply.directory import Directory, one_account, opened

from daypass.apply.store.caching_writer import CachingWriter
from daypass.directory.store import Link, Record, RecordExistsError, RecordMissingError, Writer

_NAMES = st.sampled_from(["a", "b", "c"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), _NAMES, _NAMES),
        st.tuples(st.just("replace"), _NAMES, _NAMES),
        st.tuples(st.just("delete"), _NAMES, _NAMES),
        st.tuples(st.just("link"), _NAMES, _NAMES),
        st.tuples(st.just("unlink"), _NAMES, _NAMES),
        st.tuples(st.just("ask"), _NAMES, _NAMES),
    ),
    max_size=25,
)


def _record(key: str, unique_id: str) -> Record:
    return Record(kind="k", account="1", key=key, sort=key, body=unique_id.encode(), unique_id="id-" + unique_id)


def _do(writer: Writer, step: tuple[str, str, str]) -> Any:
    """Take one step, and return all visible results."""
    verb, first, second = step
    try:
        if verb == "insert":
            writer.insert(_record(first, second))
        elif verb == "replace":
            writer.replace(_record(first, second))
        elif verb == "delete":
            writer.delete("k", "1", first)
        elif verb == "link" and writer.find_by_id("id-" + first) is not None:
            writer.link(Link("l", "id-" + first, second, b"x"))
        elif verb == "unlink":
            writer.unlink("l", "id-" + first, second)
    except (RecordExistsError, RecordMissingError) as refusal:
        return type(refusal)
    source = "id-" + first
    return (
        writer.find("k", "1", first),
        writer.find_by_id(source),
        writer.find_link("l", source, second),
        writer.targets("l", source),
        writer.targets("l", source, after="a", limit=1),
        writer.count("k", "1"),
    )


@settings(max_examples=150, deadline=None)
@example(
    [("insert", "a", "a"), ("link", "a", "a")], [("replace", "a", "b"), ("delete", "a", "a"), ("insert", "a", "a")]
)
@given(_STEPS, _STEPS)
def test_memory_changes_no_answer(before: list[tuple[str, str, str]], steps: list[tuple[str, str, str]]) -> None:
    """The result is the same for any state and any steps.

    It also covers an entity that is deleted and inserted again with its links. Links begin at existing entities, and a
    deleted id never returns to a store: ids are random.
    """
    plain, remembering = opened().store, opened().store
    for store in (plain, remembering):
        with store.write() as writer:
            for step in before:
                # A replace takes another id here, and a later insert would bring the old id back with its links.
                if step[0] not in {"delete", "replace"}:
                    _do(writer, step)
    with plain.write() as one, remembering.write() as other:
        memory = CachingWriter(other)
        for step in steps:
            assert _do(memory, step) == _do(one, step)


def test_a_user_that_moves_keeps_what_it_has() -> None:
    """One file changes the user's path and detaches a policy."""
    admin, reads = "arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"
    directory = Directory()
    boss = {"policies": [admin]}
    directory.apply(one_account(users={"a": {"policies": [admin, reads]}, "boss": boss}))
    directory.apply(one_account(users={"a": {"path": "/x/", "policies": [reads]}, "boss": boss}))
    moved = directory.thing("user", "a")
    assert moved is not None
    assert (moved.value("path"), list(moved.value("policies"))) == ("/x/", [reads])
