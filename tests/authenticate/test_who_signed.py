"""Authentication: expiry, revocation and the caller of each credential."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from tests.authenticate.directory import (
    ACCOUNT,
    ENDS,
    ISSUED,
    KEY_ID,
    ROLE_ID,
    ROOT_KEY_ID,
    SECRET,
    SESSION_KEY_ID,
    USER_ID,
    Directory,
    session,
)
from tests.authenticate.sigv4.signing import NOW

from daypass.authenticate.keychain import Keychain
from daypass.errors import ExpiredToken, Fault, InvalidClientTokenId, SignatureDoesNotMatch
from daypass.mint.session import Session, SessionKind

INVALID = "The security token included in the request is invalid."
SECOND, MOMENT = timedelta(seconds=1), timedelta(microseconds=1)


@pytest.fixture
def directory() -> Directory:
    """Return an account with a user, a role and their keys."""
    return Directory()


def refused(directory: Directory, made: Session, **how: object) -> Fault:
    """Return the Fault with which a session is refused."""
    with pytest.raises(Fault) as caught:
        directory.signer(made.access_key_id, directory.token(made), **how)  # type: ignore[arg-type]
    return caught.value


# Credentials expire at their Expiration: the first instant at which they are refused.
@pytest.mark.parametrize(
    ("after", "good"),
    [(-SECOND, True), (-MOMENT, True), (timedelta(), False), (MOMENT, False), (SECOND, False)],
)
@pytest.mark.parametrize("kind", SessionKind)
def test_a_session_ends_in_the_second_of_its_expiration(
    directory: Directory, kind: SessionKind, after: timedelta, *, good: bool
) -> None:
    """A session is valid until the moment before its expiration.

    After it, every kind of session is ExpiredToken.
    """
    made = session(kind)
    if good:
        assert directory.signer(SESSION_KEY_ID, directory.token(made), now=NOW + after).caller.session == made
        return
    fault = refused(directory, made, now=NOW + after)
    assert isinstance(fault, ExpiredToken)
    assert (fault.status, fault.message) == (403, "The security token included in the request is expired")


@pytest.mark.parametrize(("issued", "good"), [(-1, False), (0, True), (1, True)])
@pytest.mark.parametrize("place", ["access_key_id", "issuing_key", "first_key"])
def test_a_revoked_key_ends_what_was_issued_before_that_second(
    directory: Directory, place: str, issued: int, *, good: bool
) -> None:
    """A session of that second stays valid: only earlier ones are revoked."""
    key_id = SESSION_KEY_ID if place == "access_key_id" else "AKIAQNZGKIQY56JQ7WMN"
    made = msgspec.structs.replace(session(issued=ISSUED + issued), **{place: key_id})
    directory.revoke(key_id, before=ISSUED)
    if good:
        assert directory.signer(SESSION_KEY_ID, directory.token(made), now=NOW - SECOND).caller.session == made
        return
    fault = refused(directory, made, now=NOW - SECOND)
    assert isinstance(fault, InvalidClientTokenId)
    assert (fault.status, fault.message) == (403, INVALID)


def test_an_expired_session_says_so_before_anything_else(directory: Directory) -> None:
    """AWS's order: an expired session is ExpiredToken first, even if it was revoked or its role was deleted."""
    made = session()
    directory.revoke(KEY_ID, before=ENDS)
    directory.delete(directory.role)
    assert isinstance(refused(directory, made, now=NOW), ExpiredToken)
    assert isinstance(refused(directory, made, now=NOW - SECOND), InvalidClientTokenId)


def test_a_long_term_key_speaks_for_its_holder(directory: Directory) -> None:
    """A user's key authenticates the user, a root key the account."""
    alice = directory.signer(KEY_ID).caller
    assert (alice.arn, alice.user_id, alice.access_key_id) == (f"arn:aws:iam::{ACCOUNT}:user/alice", USER_ID, KEY_ID)
    assert (alice.session, alice.is_root, directory.signer(KEY_ID).region) == (None, False, "eu-central-1")
    root = directory.signer(ROOT_KEY_ID).caller
    assert (root.arn, root.user_id, root.is_root) == (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, True)


CALLERS = {
    SessionKind.ROLE: (f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/build-17", f"{ROLE_ID}:build-17"),
    SessionKind.USER: (f"arn:aws:iam::{ACCOUNT}:user/alice", USER_ID),
    SessionKind.FEDERATED: (f"arn:aws:sts::{ACCOUNT}:federated-user/bob", f"{ACCOUNT}:bob"),
    SessionKind.ROOT: (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT),
}


@pytest.mark.parametrize("kind", CALLERS)
def test_a_session_speaks_for_its_principal(directory: Directory, kind: SessionKind) -> None:
    """Each kind of session has the ARN and user ID of GetCallerIdentity."""
    caller = directory.signer(SESSION_KEY_ID, directory.token(session(kind)), now=NOW - SECOND).caller
    assert (caller.arn, caller.user_id) == CALLERS[kind]
    assert (caller.is_root, caller.identity is None) == (kind is SessionKind.ROOT, kind is SessionKind.ROOT)


def test_a_root_user_s_federated_session_has_no_user_behind_it(directory: Directory) -> None:
    """The account itself created it; a user does not need to exist."""
    made = session(SessionKind.FEDERATED, principal_id=ACCOUNT, principal_name="")
    caller = directory.signer(SESSION_KEY_ID, directory.token(made), now=NOW - SECOND).caller
    assert (caller.arn, caller.identity) == (f"arn:aws:sts::{ACCOUNT}:federated-user/bob", None)


GONE: dict[str, tuple[SessionKind, Callable[[Directory], None]]] = {
    "the role of a role session": (SessionKind.ROLE, lambda found: found.delete(found.role)),
    "the user of a user's session": (SessionKind.USER, lambda found: found.delete(found.user)),
    "the user of a federated session": (SessionKind.FEDERATED, lambda found: found.delete(found.user)),
    "the account of a federated session": (SessionKind.FEDERATED, lambda found: found.delete(found.account)),
    "the account of a root session": (SessionKind.ROOT, lambda found: found.delete(found.account)),
}


@pytest.mark.parametrize("name", GONE)
def test_a_session_ends_with_its_principal(directory: Directory, name: str) -> None:
    """The session of a deleted principal or account is refused."""
    kind, remove = GONE[name]
    remove(directory)
    fault = refused(directory, session(kind), now=NOW - SECOND)
    assert isinstance(fault, InvalidClientTokenId)
    assert (fault.message, fault.detail.endswith("does not exist any more")) == (INVALID, True)


USELESS: dict[str, tuple[str, Callable[[Directory], None]]] = {
    "a key that does not exist": ("AKIAQNZGKIQY56JQ7WMZ", lambda _found: None),
    "an inactive key": (KEY_ID, lambda found: found.replace(found.key, active=False)),
    "an inactive root key": (ROOT_KEY_ID, lambda found: found.replace(found.root_key, active=False)),
    "a key without its user": (KEY_ID, lambda found: found.delete(found.user)),
    "a key without its account": (KEY_ID, lambda found: found.delete(found.account)),
    "a root key without its account": (ROOT_KEY_ID, lambda found: found.delete(found.account)),
}


@pytest.mark.parametrize("name", USELESS)
def test_a_long_term_key_that_is_of_no_use(directory: Directory, name: str) -> None:
    """Each is InvalidClientTokenId with the same message: a caller cannot find out which keys exist."""
    key_id, spoil = USELESS[name]
    spoil(directory)
    with pytest.raises(InvalidClientTokenId) as caught:
        directory.signer(key_id)
    assert (caught.value.status, caught.value.message) == (403, INVALID)


def test_the_secret_must_be_the_one_of_the_key(directory: Directory) -> None:
    """A session's secret is in its token, a long-term key's in the store."""
    other = "x" * len(SECRET)
    for key_id, token in ((KEY_ID, None), (SESSION_KEY_ID, directory.token(session()))):
        with pytest.raises(SignatureDoesNotMatch):
            directory.signer(key_id, token, secret=other, now=NOW - SECOND)


def test_a_token_beside_another_key_is_refused(directory: Directory) -> None:
    """A token is valid only with the access key ID of its own session."""
    token = directory.token(session())
    for key_id in (KEY_ID, "ASIAQNZGKIQY56JQ7WMM"):
        with pytest.raises(InvalidClientTokenId, match="is invalid"):
            directory.signer(key_id, token, now=NOW - SECOND)


def test_the_memory_of_opened_tokens_is_bounded(directory: Directory) -> None:
    """Secrets and sessions are cached; the oldest are evicted first.

    Every answer stays correct.
    """
    keychain = Keychain(directory.vault, capacity=2)
    made = [session(access_key_id=f"ASIAQNZGKIQY56JQ7WM{letter}") for letter in "ABCD"]
    for each in (*made, *reversed(made)):
        found = keychain.session_of(directory.token(each), each.access_key_id, directory.sealing_ring)
        assert found == each
        assert len(keychain._sessions._values) <= 2
