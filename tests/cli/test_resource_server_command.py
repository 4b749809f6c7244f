"""`daypass resource-server` registers, lists and removes resource servers."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daypass.cli.main import cli

ACCOUNT, OTHER = "123456789012", "210987654321"


def run(store: str, *words: str) -> Result:
    """Run a command on a store."""
    return CliRunner().invoke(cli, [*words, "--store", store])


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return a store with one account."""
    url = f"sqlite:///{tmp_path / 'd.db'}"
    assert run(url, "account", "create", "--id", ACCOUNT).exit_code == 0
    return url


def test_a_registration_is_listed_and_removed(store: str) -> None:
    """`add` prints the policy that the principal of the gateway needs; the salt is never shown."""
    added = run(store, "resource-server", "add", "edge-1", "--region", "eu-central-1", "--region", "us-east-1")
    assert added.exit_code == 0, added.output
    statement = json.loads(added.stdout)["Statement"][0]
    arn = f"arn:aws:daypass::{ACCOUNT}:resource-server/edge-1"
    assert (statement["Action"], statement["Resource"]) == ("daypass:GetSigningKey", arn)

    listed = json.loads(run(store, "resource-server", "list", "--output", "json").stdout)["ResourceServers"]
    created = listed[0].pop("CreateDate")
    assert created.startswith("20")
    assert listed == [
        {
            "Name": "edge-1",
            "Arn": arn,
            "Service": "s3",
            "Regions": ["eu-central-1", "us-east-1"],
            "Accounts": [ACCOUNT],
        }
    ]
    assert run(store, "resource-server", "remove", "edge-1").exit_code == 0
    assert json.loads(run(store, "resource-server", "list", "--output", "json").stdout) == {"ResourceServers": []}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("Edge",), "not a valid name"),
        (("edge", "--service", "sts"), "cannot get signing keys of the service sts"),
        (("edge", "--service", "iam"), "cannot get signing keys of the service iam"),
        (("edge", "--service", "daypass"), "cannot get signing keys of the service daypass"),
        (("edge", "--service", "S3"), "not a valid service name"),
        (("edge", "--region", "us east"), "not a valid region name"),
        (("edge", "--accounts", OTHER), f"Account {OTHER} does not exist"),
        (("edge", "--account", OTHER), f"Account {OTHER} does not exist"),
    ],
)
def test_a_registration_that_is_not_valid_is_refused(store: str, words: tuple[str, ...], says: str) -> None:
    """The message says what is wrong, and nothing is stored."""
    refused = run(store, "resource-server", "add", *words)
    assert (refused.exit_code, says in refused.output) == (6, True), refused.output
    assert json.loads(run(store, "resource-server", "list", "--output", "json").stdout) == {"ResourceServers": []}


def test_a_name_is_registered_once(store: str) -> None:
    """A second registration of a name could widen the first one."""
    assert run(store, "resource-server", "add", "edge").exit_code == 0
    again = run(store, "resource-server", "add", "edge", "--accounts", "*")
    assert (again.exit_code, "exists already" in again.output) == (6, True)


def test_an_unknown_name_cannot_be_removed(store: str) -> None:
    """The message names the command that lists the names."""
    missing = run(store, "resource-server", "remove", "edge")
    assert (missing.exit_code, "daypass resource-server list" in missing.output) == (6, True)
