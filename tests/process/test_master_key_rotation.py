"""Rotations of both keys on two nodes under load: no call fails, and a killed command is repeated."""

import base64
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import pytest
from tests.process.daypass import BIN, ROOT, Running, clean_environment, run, serving
from tests.storage.postgresql import fresh_database

from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey
from daypass.storage.master_key import MasterKeySource
from daypass.wiring_store import open_everything

pytestmark = pytest.mark.slow
OLD, NEW = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
WITH_OLD: Mapping[str, str] = {**ROOT, "DAYPASS_MASTER_KEY": OLD, "DAYPASS_AUDIT_LOG": "none"}
WITH_NEW: Mapping[str, str] = {**WITH_OLD, "DAYPASS_MASTER_KEY": NEW}
_SECRETS = 600


class Load:
    """Calls that read and write secrets, on one node."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done = 0
        self.failures: list[str] = []

    def _run(self) -> None:
        iam, sts = self._node.client("iam"), self._node.client("sts")
        user = f"user-{secrets.token_hex(4)}"
        try:
            iam.create_user(UserName=user)
            while not self._stop.is_set():
                key = iam.create_access_key(UserName=user)["AccessKey"]
                session = self._node.client("sts", key).get_session_token()["Credentials"]
                sts.get_caller_identity()
                iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
                assert session["SessionToken"]
                self.done += 1
        except Exception as error:  # noqa: BLE001 - each kind of failure counts
            self.failures.append(repr(error))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make calls as long as the context lasts, and require that none fails."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(60)
        assert not self.failures
        assert self.done

    def wait_for(self, more: int) -> None:
        """Wait until further rounds were answered."""
        wanted, end = self.done + more, time.monotonic() + 60
        while self.done < wanted:
            assert not self.failures, self.failures
            assert time.monotonic() < end
            time.sleep(0.02)


@contextmanager
def loaded(*nodes: Running) -> Iterator[list[Load]]:
    """Load each node."""
    loads = [Load(node) for node in nodes]
    with ExitStack() as stack:
        for load in loads:
            stack.enter_context(load.running())
        yield loads


def rotate(store: str, environment: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    return run("master-key", "rotate", "--store", store, *words, environment=environment)


def test_the_master_key_is_rotated_on_two_nodes_without_a_failed_call() -> None:
    """A node is restarted with the old key before and in the rotation, and with the new one in it and afterwards."""
    with fresh_database() as store, serving(store, environment=WITH_OLD) as kept:
        with loaded(kept) as (load,):
            load.wait_for(3)
            with serving(store, environment=WITH_OLD) as second, loaded(second) as (other,):
                assert rotate(store, {**WITH_OLD, "DAYPASS_NEW_MASTER_KEY": NEW}).returncode == 0
                other.wait_for(3)
            for environment in (WITH_OLD, WITH_NEW):
                with serving(store, environment=environment) as second, loaded(second) as (other,):
                    other.wait_for(3)
            assert rotate(store, WITH_OLD, "--finish").returncode == 6
            assert rotate(store, WITH_NEW, "--finish").returncode == 0
            with serving(store, environment=WITH_NEW) as second, loaded(second) as (other,):
                other.wait_for(3)
                load.wait_for(3)
        refused = run("account", "list", "--store", store, environment=WITH_OLD)
        assert (refused.returncode, "created with another one" in refused.stderr) == (6, True)


def _fill(store: str) -> None:
    """Store many access keys."""
    there = open_everything(Config(store=store), MasterKeySource(text=OLD))
    with there.store.write() as writer:
        for number in range(_SECRETS):
            key_id = f"AKIAFILL{number:012d}"
            sealed = there.vault.encrypt(b"secret", bound_to=key_id)
            account = "111122223333"
            records.insert(
                writer,
                AccessKey(id=key_id, account=account, owner=account, sealed_secret=sealed, created=datetime.now(UTC)),
            )
    there.store.close()


def test_the_data_key_is_rotated_on_two_nodes_without_a_failed_call() -> None:
    """The command is killed in the middle, then repeated; a node that starts meanwhile serves too."""
    words = ("master-key", "rotate", "--new-data-key", "--all-nodes-upgraded")
    with fresh_database() as store, serving(store, environment=WITH_OLD) as first:
        _fill(store)
        with serving(store, environment=WITH_OLD) as second, loaded(first, second) as loads:
            for load in loads:
                load.wait_for(2)
            killed = subprocess.Popen(
                [str(BIN), *words, "--store", store],
                env=clean_environment(WITH_OLD),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _wait_until_some_are_resealed(store)
            killed.send_signal(signal.SIGKILL)
            killed.wait(60)
            with serving(store, environment=WITH_OLD) as third, loaded(third) as (load,):
                load.wait_for(2)
            done = run(*words, "--store", store, environment=WITH_OLD)
            assert done.returncode == 0, done.stderr
            for load in loads:
                load.wait_for(5)
            early = rotate(store, WITH_OLD, "--finish")
            assert (early.returncode, "repeat the command in" in early.stderr) == (6, True)
        there = open_everything(Config(store=store), MasterKeySource(text=OLD))
        with there.store.read() as reader:
            keys = list(records.each(reader, AccessKey, None))
        assert len(keys) >= _SECRETS
        assert all(there.vault.decrypt(key.sealed_secret, bound_to=key.id) for key in keys)
        there.store.close()


def _wait_until_some_are_resealed(store: str) -> None:
    there = open_everything(Config(store=store), MasterKeySource(text=OLD))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with there.store.read() as reader:
            if any(key.sealed_secret.startswith(b"\x02") for key in records.page(reader, AccessKey, None, limit=5)):
                there.store.close()
                return
        time.sleep(0.002)
    raise AssertionError("the rotation did not begin")
