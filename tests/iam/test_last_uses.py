"""The last uses of keys and roles: when they are written, and what version 0.1.0 left behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.storage.conftest import HandClock

from daypass.directory import records
from daypass.directory.entities.iam_entities import LastUse
from daypass.directory.last_uses import EVERY, LastUses, find_last_use
from daypass.directory.recorded_uses import MOST_USES, RecordedUse
from daypass.directory.store import Record
from daypass.storage.memory import MemoryStore
from daypass.testing.server import RunningServer

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ACCOUNT = "111111111111"


def _use(unique_id: str, at: datetime) -> LastUse:
    return LastUse(id=unique_id, account=_ACCOUNT, at=at, region="us-east-1", service="sts")


class _Counting(MemoryStore):
    """A store that counts the uses of each batch."""

    def __init__(self) -> None:
        super().__init__(HandClock())
        self.batches: list[int] = []

    def record_uses(self, uses: Any) -> None:
        """Count a batch, and record it."""
        self.batches.append(len(uses))
        super().record_uses(uses)


def test_keys_in_constant_use_are_written_in_turn() -> None:
    """After the first minute, about a fifth of the keys is written in each minute."""
    uses, store = LastUses(), _Counting()
    keys = [f"AKIA{number:016d}" for number in range(2 * MOST_USES)]
    written = []
    for second in range(0, 1201, 20):
        for key in keys:
            uses.note(_use(key, _NOW + timedelta(seconds=second)))
        if second % 60 == 0:
            store.batches.clear()
            uses.flush(store)
            written.append(sum(store.batches))
            assert max(store.batches, default=0) <= MOST_USES
    assert written[0] == len(keys)
    assert all(len(keys) / 10 < number < len(keys) / 3 for number in written[2:])


def test_a_use_is_at_most_five_minutes_old() -> None:
    """A key that is used all the time is due at least every five minutes."""
    uses, last = LastUses(), _NOW
    for second in range(0, 3600, 10):
        at = _NOW + timedelta(seconds=second)
        if uses.is_due("AKIA", at):
            last = at
        uses.note(_use("AKIA", at))
        assert at - last <= EVERY


def test_batches_are_apart() -> None:
    """Other writers get their turn between two batches."""
    uses, store, pauses = LastUses(), _Counting(), list[float]()
    for number in range(3 * MOST_USES - 1):
        uses.note(_use(f"AKIA{number}", _NOW))
    uses.flush(store, pause=pauses.append)
    assert store.batches == [MOST_USES, MOST_USES, MOST_USES - 1]
    assert len(pauses) == 3
    assert min(pauses) > 0


@pytest.mark.parametrize("later", [1, -1])
def test_the_newer_of_two_forms_is_shown(later: int) -> None:
    """A node of version 0.1.0 on the same store writes a record, and we write a row."""
    store = MemoryStore(HandClock())
    old = _NOW + timedelta(seconds=later)
    with store.write() as writer:
        writer.insert(Record(kind="access_key", account=_ACCOUNT, key="AKIA", sort="AKIA", unique_id="AKIA", body=b""))
        records.insert(writer, _use("AKIA", old))
    store.record_uses([RecordedUse("AKIA", _ACCOUNT, int(_NOW.timestamp()) * 1_000_000, "us-east-1", "sts")])
    with store.read() as reader:
        found = find_last_use(reader, _ACCOUNT, "AKIA")
        assert found is not None
        assert found.at == max(old, _NOW)
        assert find_last_use(reader, "222222222222", "AKIA") is None


def test_a_deleted_key_or_role_takes_its_last_use_along(iam: Any, server: RunningServer, account: str) -> None:
    """Both forms are deleted: the row, and the record of version 0.1.0."""
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]["AccessKeyId"]
    trust = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}'
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["RoleId"]
    uses, at, store = LastUses(), server.clock.now().replace(microsecond=0), server.there.store
    for used in (key, role):
        use = LastUse(id=used, account=account, at=at, region="us-east-1", service="sts")
        uses.note(use)
        with store.write() as writer:
            records.insert(writer, use)
    uses.flush(store)
    assert iam.get_role(RoleName="r")["Role"]["RoleLastUsed"] == {"LastUsedDate": at, "Region": "us-east-1"}
    assert at.isoformat().replace("Z", "+00:00") in _credential_report(iam)
    iam.delete_access_key(UserName="ann", AccessKeyId=key)
    iam.delete_role(RoleName="r")
    with store.read() as reader:
        for used in (key, role):
            assert reader.find_use(used) is None
            assert records.find(reader, LastUse, account, used) is None


def _credential_report(iam: Any) -> str:
    iam.generate_credential_report()
    report: bytes = iam.get_credential_report()["Content"]
    return report.decode()
