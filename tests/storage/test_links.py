"""The promises of every store about links."""

import pytest

from daypass.directory.store import Link, RecordMissingError, Store


def test_both_ends_can_be_read_in_order(store: Store) -> None:
    """`targets` is ordered by target, `sources` by source, each after a place and up to a limit."""
    links = [Link("member", source, target) for source in "abc" for target in "xyz"]
    with store.write() as writer:
        for link in reversed(links):
            writer.link(link)
        writer.link(Link("attached", "a", "x"))
    with store.read() as reader:
        assert reader.targets("member", "a") == links[:3]
        assert [link.target for link in reader.targets("member", "a", after="x", limit=1)] == ["y"]
        assert [link.source for link in reader.sources("member", "x")] == ["a", "b", "c"]
        assert [link.source for link in reader.sources("member", "x", after="a", limit=1)] == ["b"]
        assert reader.count_sources("member", "x") == 3
        assert reader.count_sources("member", "a") == 0


def test_links_of_several_sources_are_read_at_once(store: Store) -> None:
    """They are ordered by source and target; a source without links, or one that cannot be stored, has none."""
    links = [Link("member", source, target) for source in "abc" for target in "xyz"]
    with store.write() as writer:
        for link in reversed(links):
            writer.link(link)
        writer.link(Link("attached", "a", "x"))
        assert writer.targets_of("member", ["b"]) == links[3:6]
    with store.read() as reader:
        assert reader.targets_of("member", ["c", "none", "a", "\0", "a"]) == links[:3] + links[6:]
        assert reader.targets_of("member", []) == []
        assert reader.targets_of("\0", ["a"]) == []


def test_linking_twice_is_linking_once_with_the_later_body(store: Store) -> None:
    """A link is put, not added."""
    with store.write() as writer:
        writer.link(Link("inline", "a", "policy", b"first"))
        writer.link(Link("inline", "a", "policy", b"second"))
    with store.read() as reader:
        assert reader.targets("inline", "a") == [Link("inline", "a", "policy", b"second")]
        assert reader.find_link("inline", "a", "policy") == Link("inline", "a", "policy", b"second")
        assert reader.find_link("inline", "policy", "a") is None


def test_unlinking_what_is_not_linked_raises_missing(store: Store) -> None:
    """`unlink` removes a link once."""
    with store.write() as writer:
        writer.link(Link("member", "a", "b"))
        writer.unlink("member", "a", "b")
        with pytest.raises(RecordMissingError):
            writer.unlink("member", "a", "b")
        with pytest.raises(RecordMissingError):
            writer.unlink("member", "a\0", "b")
    with store.read() as reader:
        assert reader.targets("member", "a") == []


def test_a_link_that_no_database_could_hold_is_refused(store: Store) -> None:
    """The limits of records apply to links too, and two ends of maximum length fit."""
    with store.write() as writer:
        with pytest.raises(ValueError, match="to be stored"):
            writer.link(Link("member", "a", "x" * 1001))
        long = Link("member", "".join(map(chr, range(300, 800))), "".join(map(chr, range(900, 1400))))
        writer.link(long)
        assert writer.targets("member", long.source) == [long]
