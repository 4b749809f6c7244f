"""`daypass keys` shows and rotates the keys of web identity tokens together with those of sessions."""

import json
import os
from pathlib import Path

from click.testing import CliRunner

from daypass.cli.main import cli
from daypass.config import Config
from daypass.directory.outbound import create_issuer
from daypass.storage.master_key import MasterKeySource
from daypass.wiring_store import open_everything

_ACCOUNT = "123456789012"


def test_signing_keys_are_listed_and_rotated(tmp_path: Path) -> None:
    """The new keys wait a day, and a second rotation has no effect; secrets are not shown."""
    url = f"sqlite:///{tmp_path}/daypass.db"
    there = open_everything(Config(store=url), MasterKeySource())
    with there.store.write() as writer:
        create_issuer(writer, _ACCOUNT, now=int(there.clock.now().timestamp()), entropy=os.urandom, vault=there.vault)
    there.store.close()

    def states(*arguments: str) -> dict[str, str]:
        result = CliRunner().invoke(cli, [*arguments, "--store", url, "--output", "json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "sealed" not in result.output
        keys = json.loads(result.output)["Keys"]
        assert {key["Purpose"] for key in keys} == {"sealing", "signing"}
        return {key["KeyId"]: key["State"] for key in keys if key.get("AccountId") == _ACCOUNT}

    assert states("keys", "list") == {"RSA_0": "active", "EC384_0": "active"}
    rotated = {"RSA_0": "active", "RSA_1": "published", "EC384_0": "active", "EC384_1": "published"}
    assert states("keys", "rotate") == rotated
    assert states("keys", "rotate") == rotated
    shown = CliRunner().invoke(cli, ["keys", "list", "--store", url]).output
    assert "EC384_1  signing  published" in shown
