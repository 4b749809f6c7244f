"""The chain of issuing keys in a session token.

Old and new servers read it, and refuse it if it is invalid.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.mint.material import ACCESS_KEY_ID, NOW, Counted, role_session
from tests.mint.old_tokens import FIELDS, PADDED_BY_0_1_0, SEALED_BY_0_1_0, open_old, seal_old

from daypass.errors import AccessDenied, InvalidClientTokenId
from daypass.mint.access_keys import new_access_key_id
from daypass.mint.key_chain import MOST_KEYS, ChainBrokenError, KeyChain, decode_chain, encode_chain, join_chains
from daypass.mint.purpose import Purpose
from daypass.mint.seal import seal
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.mint.session import Session
from daypass.mint.tokens import open_session, seal_session

RING = first_sealing_ring(now=NOW, entropy=Counted())
LONG_TERM, TEMPORARY = "AKIAQNZGKIQY56JQ7WML", "ASIAQNZGKIQY56JQ7WMM"

SECONDS = st.integers(0, 2**32 - 1)
OURS = st.builds(
    new_access_key_id,
    st.sampled_from(["AKIA", "ASIA"]),
    st.integers(0, 10**12 - 1).map("{:012d}".format),
    st.binary(min_size=5, max_size=5).map(lambda random: lambda count: random[:count]),
)
GIVEN = st.from_regex(r"[A-Za-z0-9_]{16,128}", fullmatch=True) | st.text("aé_ 0", min_size=1, max_size=300)


def chains(most: int = MOST_KEYS) -> st.SearchStrategy[KeyChain]:
    """Return chains of keys, generated ones and ones of an operator's choice."""
    return st.lists(st.tuples(OURS | GIVEN, SECONDS), max_size=most, unique_by=lambda step: step[0]).flatmap(
        lambda steps: st.builds(
            KeyChain, st.just(tuple(key for key, _ in steps)), st.just(tuple(at for _, at in steps)), st.booleans()
        )
    )


def with_chain(chain: KeyChain) -> Session:
    """Return a session with a chain."""
    return replace(role_session(), issuing_keys=chain.keys, issuing_times=chain.times, has_all_keys=chain.is_complete)


def sealed(session: Session, at_least: int = 0) -> str:
    """Return the token of a session."""
    return seal_session(session, sealing_ring=RING, now=NOW, entropy=Counted(), at_least=at_least)


def opened(token: str) -> Session:
    """Open a token."""
    return open_session(token, access_key_id=ACCESS_KEY_ID, sealing_ring=RING)


def sealed_fields(*fields: object) -> str:
    """Seal any fields."""
    payload = msgspec.msgpack.encode(fields)
    return seal(Purpose.SESSION, payload, bound_to=ACCESS_KEY_ID, sealing_ring=RING, now=NOW, entropy=Counted())


def old_fields(filler: bytes = b"") -> tuple[object, ...]:
    """Return the fields of a session in the layout of 0.1.0."""
    fields = msgspec.structs.astuple(role_session())[: len(FIELDS)]
    at = FIELDS.index("filler")
    return (*fields[:at], filler, *fields[at + 1 :])


@settings(max_examples=150, deadline=None)
@given(chain=chains(), at_least=st.sampled_from([0, 900, 4096]))
def test_a_chain_survives_the_token(chain: KeyChain, at_least: int) -> None:
    """Keys, times and completeness are unchanged, with any padding."""
    session = with_chain(chain)
    assert replace(opened(sealed(session, at_least)), filler=b"") == session


@settings(max_examples=100, deadline=None)
@given(chain=chains())
def test_a_server_of_0_1_0_opens_what_this_release_writes(chain: KeyChain) -> None:
    """It reads every field that it knows, and ignores the chain as padding."""
    session = with_chain(chain)
    old = open_old(sealed(session), access_key_id=ACCESS_KEY_ID, sealing_ring=RING)
    known = [name for name in FIELDS if name != "filler"]
    assert [getattr(old, name) for name in known] == [getattr(session, name) for name in known]


@pytest.mark.parametrize("token", [SEALED_BY_0_1_0, PADDED_BY_0_1_0])
def test_a_token_of_0_1_0_opens(token: str) -> None:
    """Its chain consists of the keys in its fields and is incomplete."""
    session = opened(token)
    assert session.issuing_keys == (LONG_TERM, TEMPORARY)
    assert session.key_chain == KeyChain((LONG_TERM, TEMPORARY), (NOW, NOW), is_complete=False)
    known = {"issuing_key": TEMPORARY, "first_key": LONG_TERM, "issuing_keys": session.issuing_keys}
    assert replace(session, filler=b"") == replace(role_session(), **known)


@pytest.mark.parametrize("filler", [b"", bytes(1), bytes(300)])
def test_plain_padding_is_no_chain(filler: bytes) -> None:
    """A token with an empty filler, or with NULs only, is one of 0.1.0."""
    token = seal_old(role_session(), sealing_ring=RING, now=NOW, entropy=Counted(), filler=filler)
    assert (opened(token).issuing_keys, opened(token).has_all_keys) == ((role_session().issuing_key,), False)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (((LONG_TERM, TEMPORARY),), KeyChain((LONG_TERM, TEMPORARY), (NOW, NOW), is_complete=False)),
        (((LONG_TERM, TEMPORARY), (1, 2)), KeyChain((LONG_TERM, TEMPORARY), (1, 2), is_complete=False)),
        (((LONG_TERM, TEMPORARY), (1, 2), True), KeyChain((LONG_TERM, TEMPORARY), (1, 2))),
    ],
)
def test_the_layout_of_the_next_release_is_read(more: tuple[object, ...], expected: KeyChain) -> None:
    """In that layout the chain is in fields of its own, after those of 0.1.0."""
    assert opened(sealed_fields(*old_fields(), *more)).key_chain == expected


@pytest.mark.parametrize(
    "filler",
    [
        b"\x02\x00\x01\x00",  # another version
        b"\x01",
        b"\x01\x00",
        b"\x01\x00\x00",  # no flags
        b"\x01\x00\x01\x00",  # the number of keys is missing
        b"\x01\x00\x03\x00\x00",  # shorter than it says
        b"\x01\x00\x02\x04\x00",  # a flag without a meaning yet
        b"\x01\x00\x02\x00\x01",  # a key is missing
        b"\x01\x00\x03\x00\x01\x00",  # a key of one byte
        b"\x01\x00\x0d\x02\x01\x03" + bytes(10),  # a tag without a meaning yet
        b"\x01\x00\x0d\x00\x01\x00" + bytes(20),  # a time is missing, though there is enough padding for it
        b"\x01\x00\x06\x02\x01\x02\x00\x01\xc3",  # not UTF-8
        b"\x01\x00\x08\x02\x01\x02\x00\x10abc" + bytes(20),  # an id that runs into the padding
        encode_chain(KeyChain((LONG_TERM,), (1,))) + b"x",
        encode_chain(KeyChain((LONG_TERM,), (1,))) + b"\0\0x",
        b"\0x",
        b"x" * 200,
        b"\x01\x00\xbd\x02\x11" + (b"\x00" + bytes(10)) * 17,  # one key too many
    ],
)
def test_a_corrupt_chain_refuses_the_token(filler: bytes) -> None:
    """An unknown part may be a restriction. The message is AWS's."""
    with pytest.raises(InvalidClientTokenId, match="The security token included in the request is invalid"):
        opened(sealed_fields(*old_fields(filler)))


@pytest.mark.parametrize(
    "more",
    [
        ((LONG_TERM,), (1, 2), True),
        ((LONG_TERM, TEMPORARY), (1,), True),
        (tuple(f"AKIA{number:016d}" for number in range(17)),),
        ((LONG_TERM,), (1,), True, "only on Tuesdays"),
        ("no list",),
    ],
)
def test_corrupt_fields_refuse_the_token(more: tuple[object, ...]) -> None:
    """Times without keys, too many keys, and unknown fields are refused."""
    with pytest.raises(InvalidClientTokenId):
        opened(sealed_fields(*old_fields(), *more))


def test_two_chains_that_differ_refuse_the_token() -> None:
    """Contradicting chains in the fields and the filler are refused."""
    filler = encode_chain(KeyChain((TEMPORARY,), (1,)))
    with pytest.raises(InvalidClientTokenId):
        opened(sealed_fields(*old_fields(filler), (LONG_TERM,), (1,), True))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_end_in_another_exception(data: bytes) -> None:
    """A chain is decoded or refused, without any other exception.

    A decoded chain is within the limit.
    """
    try:
        chain, _ = decode_chain(data)
    except ChainBrokenError:
        return
    assert len(chain.keys) <= MOST_KEYS


def test_a_chain_has_sixteen_keys() -> None:
    """The sixteenth key is accepted, the seventeenth refused.

    The message says what to do.
    """
    steps = [(f"ASIAQNZGKIQY56J{number:02d}WML".replace("0", "A").replace("1", "B"), 1) for number in range(17)]
    chain = KeyChain()
    for key, at in steps[:MOST_KEYS]:
        chain = chain.followed_by(key, at)
    assert opened(sealed(with_chain(chain))).key_chain == chain
    with pytest.raises(AccessDenied, match=r"a chain of 16 access keys, which is the limit\. Sign in again"):
        sealed(with_chain(chain.followed_by(*steps[16])))


def test_joined_chains_have_each_key_once() -> None:
    """A key in both counts from its earlier time. One incomplete chain makes the joined one incomplete."""
    first, second = KeyChain(("A" * 20, "B" * 20), (5, 6)), KeyChain(("C" * 20, "A" * 20), (1, 2), is_complete=False)
    assert join_chains(first, second) == KeyChain(("B" * 20, "C" * 20, "A" * 20), (6, 1, 2), is_complete=False)


@settings(max_examples=100, deadline=None)
@given(chain=chains(), at_least=st.integers(0, 8000))
def test_a_token_is_as_long_as_requested(chain: KeyChain, at_least: int) -> None:
    """With or without a chain, the token is as long as requested, or at most eight characters longer."""
    bare, token = sealed(with_chain(chain)), sealed(with_chain(chain), min(at_least, 7_992))
    assert min(at_least, 7_992) <= len(token) <= max(min(at_least, 7_992) + 8, len(bare))


def test_a_short_chain_costs_few_characters() -> None:
    """A session of a long-term key adds one packed ID.

    A session two steps later adds three IDs with their times.
    """
    none = len(seal_old(role_session(), sealing_ring=RING, now=NOW, entropy=Counted()))
    one = len(sealed(with_chain(KeyChain((LONG_TERM,)))))
    three = len(sealed(with_chain(KeyChain((LONG_TERM, TEMPORARY, ACCESS_KEY_ID), (1, 2, 3)))))
    assert (one - none, three - none) == (24, 68)
