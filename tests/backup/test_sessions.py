"""The sessions of a restored store, by real calls: revoked ones stay refused, and --revoke-all ends all others."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backup.conftest import query, restore
from tests.refusals import code_of
from tests.upgrade.conftest import MEMBER, Upgraded, recorded, then, upgraded

from daypass.cli.operators.restore import replacement_of_sessions

NOT_REVOKED = sorted(set(recorded()["sessions"]) - {"revoked"})


@pytest.fixture(params=[False, True], ids=["plain", "revoke-all"])
def restored(request: pytest.FixtureRequest, backup: bytes, tmp_path: Path) -> Iterator[tuple[Upgraded, bool]]:
    """Run a server on a restored store, with and without --revoke-all."""
    new = f"sqlite:///{tmp_path}/new.db"
    replacement = replacement_of_sessions(then()) if request.param else None
    restore(backup, new, replacement, master_key=recorded()["master_key"])
    with upgraded(new) as running:
        yield running, request.param


def test_only_revoke_all_ends_sessions(restored: tuple[Upgraded, bool]) -> None:
    """A session that was revoked before the backup is refused in both; long-term keys sign in both."""
    there, is_ended = restored
    codes = {
        name: code_of(there.client("sts", session["keys"]).get_caller_identity)
        for name, session in recorded()["sessions"].items()
    }
    assert codes.pop("revoked") == "InvalidClientTokenId"
    assert set(codes) == set(NOT_REVOKED)
    assert set(codes.values()) == ({"InvalidClientTokenId"} if is_ended else {""})
    sts = there.client("sts", recorded()["roots"][MEMBER])
    assert sts.get_caller_identity()["Account"] == MEMBER
    new = sts.get_session_token()["Credentials"]
    assert there.client("sts", new).get_caller_identity()["Account"] == MEMBER
    store = there.server.config.store
    waiting = query(
        store, "SELECT count(*) FROM records WHERE kind IN ('sign_in', 'sign-in-sessions', 'token-families')"
    )
    assert (waiting[0][0] == 0) is is_ended
    assert query(store, "SELECT count(*) FROM records WHERE kind = 'revocations'") == [(1,)]


def test_a_running_server_follows_revoke_all(backup: bytes, tmp_path: Path) -> None:
    """A session that the server has opened before is refused after the restored store took the name of the old one."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    restore(backup, f"sqlite:///{old}", None, master_key=recorded()["master_key"])
    with upgraded(f"sqlite:///{old}") as there:
        sts = there.client("sts", recorded()["sessions"][NOT_REVOKED[0]]["keys"])
        assert code_of(sts.get_caller_identity) == ""
        restore(backup, f"sqlite:///{new}", replacement_of_sessions(then()), master_key=recorded()["master_key"])
        new.rename(old)
        end = time.monotonic() + 10
        while (code := code_of(sts.get_caller_identity)) in {"", "ServiceUnavailable"} and time.monotonic() < end:
            pass
        assert code == "InvalidClientTokenId"
