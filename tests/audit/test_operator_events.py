"""Every operators' command that changes the store writes an event, and no other command does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from tests.project.command_tree import commands

from daypass.cli.main import FOR_OPERATORS, cli
from daypass.config import Config
from daypass.storage.master_key import MasterKeySource
from daypass.testing.saml import SamlIdentityProvider
from daypass.wiring_store import open_everything

ACCOUNT, OTHER, THIRD = "111111111111", "222222222222", "333333333333"
ISSUER = "https://issuer.example.org"
OIDC = f"arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example.org"
SAML = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
CLIENT = ("oidc", "client", "add", "corp", "--issuer", ISSUER, "--client-id", "daypass", "--account", ACCOUNT)
SET = ("oidc", "client", "set", "corp", "--account", ACCOUNT)
SCP = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
SERIAL = "TOKEN-12345678"

# The event of each command that changes a store, with an example that runs after those before it.
CHANGES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("CreateAccount", ("account", "create", "--id", ACCOUNT, "--management"), ""),
    ("CreateAccount", ("account", "create", "--id", OTHER), ""),
    ("CreateRole", ("apply", "{apply}"), ""),
    ("PutBucketRecord", ("bucket", "set", "photos", "--account", ACCOUNT), ""),
    ("DeleteBucketRecord", ("bucket", "remove", "photos"), ""),
    ("RotateKeys", ("keys", "rotate"), ""),
    ("AddHardwareMFADevice", ("mfa", "add-hardware", SERIAL, "--account", ACCOUNT), "A" * 32),
    ("UnlockMFADevice", ("mfa", "unlock", SERIAL, "--account", ACCOUNT), ""),
    ("PutOidcClient", CLIENT, ""),
    ("PutOidcClient", (*SET, "--label", "Corp"), ""),
    ("PutOidcClient", (*SET, "--authentication", "private_key_jwt"), ""),
    ("RotateOidcClientKey", ("oidc", "client", "rotate-key", "corp", "--account", ACCOUNT), ""),
    ("DeleteOidcClient", ("oidc", "client", "remove", "corp", "--account", ACCOUNT), ""),
    ("ImportOidcClients", ("oidc", "client", "import-settings", "--account", ACCOUNT), ""),
    ("SetOpenIDConnectProvider", ("oidc", "set", OIDC, "--claim", "groups"), ""),
    ("SetSAMLProvider", ("saml", "set", SAML, "--lax"), ""),
    ("RotateSAMLRequestKey", ("saml", "rotate-key"), ""),
    ("RotateSAMLRequestKey", ("saml", "rotate-key", "--now"), ""),
    ("CreateOrganizationalUnit", ("organization", "create-unit", "prod"), ""),
    ("MoveAccount", ("organization", "move", OTHER, "/prod"), ""),
    ("AttachPolicy", ("organization", "set-policy", "/prod", "all", "{scp}"), ""),
    ("DetachPolicy", ("organization", "remove-policy", "/prod", "all"), ""),
    ("SetDelegatedAdministrator", ("organization", "delegate", OTHER), ""),
    ("SetDelegatedAdministrator", ("organization", "delegate"), ""),
    ("RemoveAccountFromOrganization", ("organization", "remove", OTHER), ""),
    ("DeleteOrganizationalUnit", ("organization", "delete-unit", "/prod"), ""),
    ("AddResourceServer", ("resource-server", "add", "gateway-a", "--account", ACCOUNT), ""),
    ("RemoveResourceServer", ("resource-server", "remove", "gateway-a"), ""),
    ("RevokeSessions", ("sessions", "revoke", "--access-key", "ASIAAAAAAAAAAAAAAAAA"), ""),
    ("RevokeSessions", ("sessions", "revoke", "--role", "dev", "--account", ACCOUNT), ""),
    ("RevokeSessions", ("sessions", "revoke", "--user", "ann", "--account", ACCOUNT), ""),
    ("RevokeSessions", ("sessions", "revoke", "--sign-in", "si-{sign_in}"), ""),
    ("RotateMasterKey", ("master-key", "rotate"), ""),
    ("Backup", ("backup", "{backup}"), ""),
)
# The commands that read the store, or that do not open it.
READS = (
    ("account", "list"),
    ("audit", "find", "--key", "AKIAAAAAAAAAAAAAAAAA"),
    ("audit", "verify"),
    ("bucket", "list"),
    ("check",),
    ("explain", "--principal", f"arn:aws:iam::{ACCOUNT}:user/ann", "--action", "s3:GetObject"),
    ("export", "--account", ACCOUNT),
    ("graph", "--account", ACCOUNT),
    ("keys", "list"),
    ("mfa", "list", "--account", ACCOUNT),
    ("oidc", "client", "list"),
    ("oidc", "providers"),
    ("organization", "show"),
    ("resource-server", "list"),
    ("saml", "providers"),
    ("sessions", "list-sign-ins"),
)
# Other tests own these: `import` and `apply` share their code, `restore` and `serve` make a new store.
ELSEWHERE = {
    "daypass audit send-test",
    "daypass audit sinks",
    "daypass dev",
    "daypass gateway check",
    "daypass import",
    "daypass lint",
    "daypass restore",
    "daypass saml inspect",
    "daypass serve",
    "daypass token inspect",
}


class Operator:
    """Runs commands on one store, and reads the audit log beside it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'd.db'}"
        self._log = folder / "audit.jsonl"
        (folder / "scp.json").write_text(SCP)
        (folder / "client-secret").write_text("the secret of the client")
        (folder / "client-secret").chmod(0o600)
        (folder / "idp.xml").write_text(SamlIdentityProvider().metadata_xml())
        (folder / "apply.yaml").write_text(_applied(folder / "idp.xml"))
        self._places = {
            "scp": str(folder / "scp.json"),
            "apply": str(folder / "apply.yaml"),
            "backup": str(folder / "backup"),
            "sign_in": "a" * 32,
        }
        self._environment = {
            "DAYPASS_BACKUP_PASSPHRASE": "correct horse battery staple",
            "DAYPASS_OIDC_CLIENTS": f"{ISSUER} web {folder / 'client-secret'}",
        }

    def run(self, *words: str, typed: str = "") -> Result:
        """Run a command, which must succeed."""
        words = tuple(word.format(**self._places) for word in words)
        place = () if words[:2] in {("audit", "find"), ("audit", "verify")} else ("--store", self.url)
        environment = {**self._environment, "DAYPASS_STORE": self.url}
        result = CliRunner().invoke(cli, [*words, *place], input=typed, env=environment)
        assert result.exit_code == 0, f"{words}: {result.output}"
        return result

    def revision(self) -> int:
        """Return the revision of the store."""
        from dataclasses import replace

        there = open_everything(replace(Config(), store=self.url), MasterKeySource())
        try:
            with there.store.read() as reader:
                return reader.revision()
        finally:
            there.store.close()

    def events(self) -> list[dict[str, Any]]:
        """Return the events of the log."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []


def _applied(metadata: Path) -> str:
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    account = {
        "roles": {"dev": {"trust": {"Version": "2012-10-17", "Statement": [trust]}}},
        "users": {"ann": {}},
        "oidcProviders": {"issuer.example.org": {"clientIds": ["web"]}},
        "samlProviders": {"corp": {"metadata": metadata.read_text()}},
    }
    return json.dumps({"version": 1, "accounts": {ACCOUNT: account}})


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Return an operator with a store that does not exist yet."""
    return Operator(tmp_path)


def _leaves() -> Iterator[str]:
    for name, command in commands().items():
        words = name.split()
        if len(words) > 1 and words[1] in FOR_OPERATORS and not isinstance(command, click.Group):
            yield name


def test_each_command_says_whether_it_changes_the_store() -> None:
    """A new command needs a row in one of the three tables."""
    told = [words for _, words, _ in CHANGES] + list(READS)
    named = {f"daypass {' '.join(words[:many])}" for words in told for many in (1, 2, 3)}
    assert set(_leaves()) - named == ELSEWHERE


@pytest.mark.slow
def test_each_change_writes_its_event(operator: Operator) -> None:
    """The event has the operator and the command, and never a secret. Commands that read write no event."""
    for name, words, typed in CHANGES:
        before = len(operator.events())
        operator.run(*words, typed=typed)
        events = operator.events()[before:]
        assert name in {event["eventName"] for event in events}, (words, events)
        if words[0] != "apply":
            (event,) = events
            assert event["userAgent"].startswith(f"daypass {words[0]}"), event
            assert " by " in event["userAgent"]
            assert event["eventSource"] == "daypass"
    log, revision = operator.events(), operator.revision()
    for words in READS:
        operator.run(*words)
        assert (operator.revision(), len(operator.events())) == (revision, len(log)), words
    assert "secret of the client" not in json.dumps(log)
    assert "A" * 32 not in json.dumps(log)


def test_a_log_that_cannot_be_opened_stops_the_change(operator: Operator, tmp_path: Path) -> None:
    """A revocation without an event does not happen, and the message names the log."""
    operator.run("account", "create", "--id", ACCOUNT)
    before = operator.revision()
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").mkdir()
    words = ["sessions", "revoke", "--access-key", "ASIAAAAAAAAAAAAAAAAA", "--store", operator.url]
    result = CliRunner().invoke(cli, words)
    assert (result.exit_code, operator.revision()) == (6, before)
    assert f"Cannot write the audit log {tmp_path / 'audit.jsonl'}" in result.output


def test_the_story_of_a_key_has_its_revocation(operator: Operator) -> None:
    """`daypass audit find` shows the end by a command, with the command as its agent."""
    operator.run("account", "create", "--id", ACCOUNT)
    key = json.loads(operator.run("account", "create", "--id", OTHER, "--output", "json").stdout)
    id_ = key["RootAccessKey"]["AccessKeyId"]
    operator.run("sessions", "revoke", "--access-key", id_, "--account", OTHER)
    story = json.loads(operator.run("audit", "find", "--key", id_, "--output", "json").stdout)
    (told,) = story["Keys"]
    (end,) = told["Revoked"]
    assert (end["Event"], end["UserAgent"].partition(" by ")[0]) == ("RevokeSessions", "daypass sessions revoke")
