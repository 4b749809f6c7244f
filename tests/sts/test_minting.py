"""Minting in one step returns the credentials of the step-by-step construction.

The construction of 0.1.0 is written out here: three draws of entropy, a Session, its layout, and its seal.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from daypass.authenticate.caller import Caller, role_caller, user_caller
from daypass.directory.identity import Identity
from daypass.errors import AccessDenied, PackedPolicyTooLarge
from daypass.mint.key_chain import KeyChain, encode_chain, join_chains
from daypass.mint.purpose import Purpose
from daypass.mint.seal import sealed_length
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.mint.secret import Secret
from daypass.mint.session import Session, SessionKind
from daypass.mint.tokens import WrittenSession, open_session
from daypass.operations.operation import Authorized, NoPermissionNeeded
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import Approval, Grant, mint_credentials
from daypass.policy.compiled import compile_set

NOW = 1_773_500_966
ACCOUNT = "029608264753"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FIELDS = tuple(Grant.__struct_fields__[6:17])


class Stream:
    """Entropy whose bytes are the same in every division into draws."""

    def __init__(self) -> None:
        self.draws: list[int] = []
        self._bytes = b"".join([sha256(b"%d" % number).digest() for number in range(100)])

    def __call__(self, count: int, /) -> bytes:
        """Return the next `count` bytes."""
        self.draws.append(count)
        drawn, self._bytes = self._bytes[:count], self._bytes[count:]
        return drawn


RING = first_sealing_ring(now=NOW, entropy=Stream())
USER = Identity(
    account=ACCOUNT,
    id="AIDAQNZGKIQYABCDEFGHI",
    arn=f"arn:aws:iam::{ACCOUNT}:user/ada",
    name="ada",
    tags={},
    policies=compile_set(()),
    boundary=None,
)


def before(grant: Grant, caller: Caller, entropy: Stream) -> tuple[dict[str, Any], Session]:
    """Return the credentials as 0.1.0 minted them."""
    chain, issued = caller.key_chain(NOW), NOW if grant.issued is None else grant.issued
    if grant.approval is not None:
        chain, issued = join_chains(grant.approval.chain, chain), grant.approval.at
    expires, calling = NOW + grant.seconds, caller.session
    if calling is not None and (calling.scoped_policies or caller.key_chain(NOW).is_delegated):
        expires = min(expires, calling.expires)
    bits = 1 << 79 | int(grant.account) << 39 | int.from_bytes(entropy(5)) >> 1
    session = Session(
        kind=grant.kind,
        account=grant.account,
        principal_id=grant.principal_id,
        principal_name=grant.principal_name,
        session_name=grant.session_name,
        access_key_id="ASIA" + "".join(_BASE32[bits >> shift & 31] for shift in range(75, -1, -5)),
        secret=Secret(base64.b64encode(entropy(30)).decode()),
        issued=issued,
        expires=expires,
        issuing_key=caller.access_key_id,
        first_key="" if calling is None else calling.first_key or calling.issuing_key,
        issuing_keys=chain.keys,
        issuing_times=() if chain.times == (issued,) * len(chain.times) else chain.times,
        has_all_keys=chain.is_complete,
        scoped_policies=(
            *(() if calling is None else calling.scoped_policies),
            *((grant.scope_down,) if grant.scope_down else ()),
        ),
        **{name: getattr(grant, name) for name in _FIELDS},
    )
    written = encode_chain(KeyChain(session.issuing_keys, session.issuing_times, session.has_all_keys))
    payload = _layout(session, written)
    short = grant.token_size - sealed_length(len(payload))
    if short > 0:
        payload = _layout(session, written + bytes(-(-short // 4) * 3))
    if sealed_length(len(payload)) > Purpose.SESSION.value.longest:
        raise PackedPolicyTooLarge
    salt, key = entropy(24), RING.active(NOW)
    head = base64.b64decode("DPs1") + bytes.fromhex(key.id)
    padded = payload + b"\x80" + bytes(-(33 + 24 + 16 + 1 - 24 + len(payload)) % 3)
    sealed = AESGCM(key.material.token_key(Purpose.SESSION, salt)).encrypt(
        bytes(12), padded, head + session.access_key_id.encode()
    )
    answer = {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret.text,
        "SessionToken": base64.urlsafe_b64encode(head + salt + sealed).decode(),
        "Expiration": datetime.fromtimestamp(session.expires, UTC),
    }
    return answer, session


def _layout(session: Session, filler: bytes) -> bytes:
    fields = astuple(session)
    written = (*fields[:20], filler, *fields[21:23])
    return msgspec.msgpack.encode((*written, (), (), False, session.scoped_policies) if fields[26] else written)


def minted(grant: Grant, caller: Caller, entropy: Stream) -> dict[str, Any]:
    """Return the credentials that the server mints."""
    ctx = SimpleNamespace(now=datetime.fromtimestamp(NOW, UTC), entropy=entropy, sealing_ring=RING)
    authorized = Authorized(None, caller, NoPermissionNeeded("sts:GetSessionToken"))
    return mint_credentials(grant, authorized, cast("RequestContext", ctx))


class Proven(Caller, frozen=True, kw_only=True):
    """A caller with a key chain of its own, as the bearer of a token or of an assertion has."""

    chain: KeyChain

    def key_chain(self, now: int) -> KeyChain:  # noqa: ARG002 - the chain has its own times
        """Return the keys behind the proof."""
        return self.chain


_words = st.text(max_size=12)
_maps = st.dictionaries(_words, _words, max_size=3)
_keys = st.lists(st.sampled_from(["AKIAQNZGKIQY56JQ7WML", "ASIAQNZGKIQY56JQ7WMM", "chosen-key", "ASIA2"]), unique=True)


def _session(keys: list[str], same_times: bool, whole: bool, scoped: list[str], delegation: str) -> Session:  # noqa: FBT001 - a strategy calls it
    times = () if same_times else tuple(NOW - 60 - number for number in range(len(keys)))
    return Session(
        kind=SessionKind.ROLE,
        account=ACCOUNT,
        principal_id="AROAQNZGKIQYABCDEFGHI",
        principal_name="deploy",
        session_name="build-17",
        access_key_id="ASIAQNZGKIQY56JQ7WMX",
        secret=Secret("s" * 40),
        issued=NOW - 30,
        expires=NOW + 900,
        issuing_key=keys[-1] if keys else "",
        delegation=delegation,
        first_key=keys[0] if len(keys) > 1 else "",
        issuing_keys=tuple(keys),
        issuing_times=times,
        has_all_keys=whole,
        scoped_policies=tuple(scoped),
    )


_sessions = st.builds(
    _session,
    _keys,
    st.booleans(),
    st.booleans(),
    st.lists(_words.filter(bool), max_size=2),
    st.sampled_from(["", "dr-" + "0" * 32]),
)
_chains = st.sampled_from(
    (
        KeyChain(),
        KeyChain(("AKIAQNZGKIQY56JQ7WML",), (NOW - 60,)),
        KeyChain(("AKIAQNZGKIQY56JQ7WML",), (NOW,)),
        KeyChain(("AKIAQNZGKIQY56JQ7WML", "ASIA2"), (NOW - 60, NOW - 30), is_complete=False),
    )
)
_callers = st.one_of(
    st.builds(
        lambda chain, key: Proven(ACCOUNT, USER.arn, USER.id, key, user_caller(USER, key).principal, USER, chain=chain),
        _chains,
        st.sampled_from(["", "AKIAQNZGKIQY56JQ7WMQ"]),
    ),
    st.sampled_from(["AKIAQNZGKIQY56JQ7WML", "chosen-key", ""]).map(lambda key: user_caller(USER, key)),
    _sessions.map(lambda session: role_caller(USER, session)),
    _sessions.map(lambda session: user_caller(USER, session.access_key_id, session)),
)
_grants = st.builds(
    Grant,
    kind=st.sampled_from(SessionKind),
    account=st.integers(0, 10**12 - 1).map("{:012d}".format),
    principal_id=_words,
    principal_name=_words,
    session_name=_words,
    seconds=st.integers(1, 43_200),
    policy=_words,
    policy_arns=st.lists(_words, max_size=2).map(tuple),
    tags=_maps,
    transitive_tag_keys=st.lists(_words, max_size=2).map(tuple),
    source_identity=_words,
    mfa_time=st.none() | st.integers(0, NOW),
    provider=_words,
    context=st.dictionaries(_words, st.lists(_words, max_size=2).map(tuple), max_size=2),
    chained=st.booleans(),
    root_task_policy=_words,
    delegation=st.just("") | st.just("dr-" + "1" * 32),
    token_size=st.sampled_from([0, 1, 500, 1003, 4096]),
    approval=st.none() | st.just(Approval(NOW - 5, KeyChain(("AKIAQNZGKIQY56JQ7WMZ",), (NOW - 5,)))),
    issued=st.sampled_from([None, NOW, NOW - 30, NOW - 90]),
    scope_down=st.just("") | _words,
)


@settings(max_examples=300, deadline=None)
@given(_grants, _callers)
def test_credentials_are_those_of_the_older_construction(grant: Grant, caller: Caller) -> None:
    """Every byte of key ID, secret and token is the same for the same entropy."""
    expected, session = before(grant, caller, Stream())
    assert minted(grant, caller, Stream()) == expected
    opened = open_session(expected["SessionToken"], access_key_id=expected["AccessKeyId"], sealing_ring=RING)
    assert (opened.expires, opened.policy, opened.tags) == (session.expires, grant.policy, grant.tags)


@pytest.mark.parametrize("more", [{}, {"policy": "p" * 20, "token_size": 900}])
def test_every_random_byte_is_used_once(more: Mapping[str, Any]) -> None:
    """One draw has the bytes of the key ID, the secret and the seal."""
    entropy = Stream()
    minted(_plain(**more), user_caller(USER, "AKIAQNZGKIQY56JQ7WML"), entropy)
    assert entropy.draws == [5 + 30 + 24]


def test_the_chain_behind_a_proof_is_kept() -> None:
    """A caller without a session may have a chain of its own, whose keys end the new session."""
    behind = KeyChain(("AKIAQNZGKIQY56JQ7WML",), (NOW - 60,))
    caller = Proven(ACCOUNT, USER.arn, USER.id, "", user_caller(USER, "").principal, USER, chain=behind)
    made = minted(_plain(), caller, Stream())
    opened = open_session(made["SessionToken"], access_key_id=made["AccessKeyId"], sealing_ring=RING)
    assert opened.key_chain == behind


def test_two_sessions_have_no_random_byte_in_common() -> None:
    """The salt of each token is new, because it determines key and nonce."""
    entropy, caller = Stream(), user_caller(USER, "AKIAQNZGKIQY56JQ7WML")
    first, second = minted(_plain(), caller, entropy), minted(_plain(), caller, entropy)
    salts = {base64.urlsafe_b64decode(one["SessionToken"])[9:33] for one in (first, second)}
    assert len(salts) == 2
    assert first["SecretAccessKey"] != second["SecretAccessKey"]


def test_the_written_fields_are_the_first_fields_of_a_session() -> None:
    """Servers of 0.1.0 read a token by the positions of its fields."""
    written = WrittenSession.__struct_fields__
    assert written == Session.__struct_fields__[: len(written)]
    assert written[-1] == "delegation"


def test_a_token_that_is_too_long_is_refused() -> None:
    """A token stays below the header limit of proxies."""
    with pytest.raises(PackedPolicyTooLarge, match="Serialized token too large for session"):
        minted(_plain(tags={"k": "v" * 8_000}), user_caller(USER, "AKIAQNZGKIQY56JQ7WML"), Stream())


def test_a_chain_of_sixteen_keys_cannot_grow() -> None:
    """The limit of a chain applies before any random byte is drawn."""
    keys = [f"chosen-{number}" for number in range(16)]
    entropy = Stream()
    caller = role_caller(USER, _session(keys, same_times=True, whole=True, scoped=[], delegation=""))
    with pytest.raises(AccessDenied, match="a chain of 16 access keys"):
        minted(_plain(), caller, entropy)
    assert entropy.draws == []


def _plain(**more: Any) -> Grant:
    return Grant(SessionKind.ROLE, ACCOUNT, "AROAQNZGKIQYABCDEFGHI", "deploy", "build-17", 900, **more)
