"""Empty lists print a message, and a new account's profile has the server's URL."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daypass.cli.main import cli
from daypass.wiring_store import open_everything

LISTS = (
    (("saml", "providers"), "create-saml-provider", "Providers"),
    (("oidc", "providers"), "create-open-id-connect-provider", "Providers"),
    (("mfa", "list"), "create-virtual-mfa-device", "Devices"),
)


def run(store: str, *words: str, **environment: str) -> Result:
    """Run a command on a store."""
    result = CliRunner().invoke(cli, [*words, "--store", store], env=environment)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return a store with one account and no other entities."""
    url = f"sqlite:///{tmp_path / 'd.db'}"
    run(url, "account", "create", "--id", "123456789012")
    return url


@pytest.mark.parametrize(("words", "help_words", "member"), LISTS)
def test_an_empty_list_says_so_and_what_would_fill_it(
    store: str, words: tuple[str, ...], help_words: str, member: str
) -> None:
    """The message is on standard error, so that scripts read no output. JSON has an empty list."""
    result = run(store, *words)
    assert (result.stdout, result.stderr.startswith("daypass: No ")) == ("", True)
    assert help_words in result.stderr
    assert json.loads(run(store, *words, "--output", "json").stdout) == {member: []}


def test_a_store_without_accounts_says_so(tmp_path: Path) -> None:
    """The store was created and never used."""
    url = f"sqlite:///{tmp_path / 'd.db'}"
    _make_empty(url)
    result = run(url, "account", "list")
    assert (result.stdout, "daypass account create" in result.stderr) == ("", True)


def _make_empty(url: str) -> None:
    from dataclasses import replace

    from daypass.config import Config
    from daypass.storage.master_key import MasterKeySource

    open_everything(replace(Config(), store=url), MasterKeySource()).store.close()


@pytest.mark.parametrize(
    ("environment", "url", "hint"),
    [
        ({}, "http://127.0.0.1:7878", True),
        ({"DAYPASS_PORT": "9999"}, "http://127.0.0.1:9999", True),
        ({"DAYPASS_PUBLIC_URL": "https://sts.example.com/"}, "https://sts.example.com", False),
    ],
)
def test_an_account_s_profile_names_the_server(
    tmp_path: Path, environment: dict[str, Any], url: str, *, hint: bool
) -> None:
    """The printed profile works as it is. If the URL is a guess, a message says so."""
    result = run(f"sqlite:///{tmp_path / 'd.db'}", "account", "create", **environment)
    assert f"endpoint_url = {url}\n" in result.stdout
    assert ("DAYPASS_PUBLIC_URL" in result.stderr) == hint
    assert f"sts =\n  endpoint_url = {url.rstrip('/')}\n" in result.stdout
    # The gateway of a server for other machines is not known.
    assert ("s3 =\n  endpoint_url = http://127.0.0.1:7880\n" in result.stdout) == hint
    assert "s3 =\n  signature_version = s3v4\n" in result.stdout
