"""The commands with sinks, as an operator runs them: a server, a gateway, and `daypass apply`."""

import json
from pathlib import Path

import pytest
from tests.audit_sinks.receivers import WebhookReceiver, receiving_webhooks
from tests.gateway.stores import StoreServer
from tests.process.daypass import ROOT, run, serving
from tests.process.daypass_gateway import gateway, key_file, role_session

pytestmark = pytest.mark.slow


def _config(folder: Path, port: int) -> str:
    path = folder / "daypass.toml"
    path.write_text(f'[[audit_sink]]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/"\nformat = "ocsf"\n')
    return str(path)


def _operations(receiver: WebhookReceiver, until: str) -> set[str]:
    found = set[str]()
    while until not in found:
        found |= {json.loads(each)["api"]["operation"] for each in receiver.take()[1].splitlines()}
    return found


def test_a_server_and_a_gateway_share_a_sink(tmp_path: Path, moto_store: StoreServer) -> None:
    """Each has a spool of its own, which is gone after the end."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    words = ("--backend", moto_store.url, "--backend-key-file", key_file(tmp_path, moto_store), "--profile", "moto")
    with receiving_webhooks(None) as receiver:
        config = ("--config", _config(tmp_path, receiver.port))
        with serving(store, *config) as server, gateway(store, *words, *config) as running:
            running.client("s3", role_session(server)).create_bucket(Bucket="sinks")
            assert "CreateBucket" in _operations(receiver, "CreateBucket")
            for each in (running, server):
                each.process.terminate()
                assert each.process.wait(20) == 0
        assert list((tmp_path / "audit-spool").iterdir()) == []
        assert list((tmp_path / "gateway-audit-spool").iterdir()) == []


def test_a_server_sends_the_events_of_apply(tmp_path: Path) -> None:
    """The command runs without a server, and its events wait for one."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    file = tmp_path / "identity.yaml"
    file.write_text(f'version: 1\naccounts:\n  "{ROOT["DAYPASS_ROOT_ACCOUNT_ID"]}":\n    users:\n      ada: {{}}\n')
    with serving(store):
        pass
    with receiving_webhooks(None) as receiver:
        config = ("--config", _config(tmp_path, receiver.port))
        done = run("apply", str(file), "--store", store, *config)
        assert done.returncode == 0, done.stderr
        listed = run("audit", "sinks", "--store", store, *config)
        assert "1 event waiting  ok" in listed.stdout
        with serving(store, *config):
            assert "CreateUser" in _operations(receiver, "CreateUser")
