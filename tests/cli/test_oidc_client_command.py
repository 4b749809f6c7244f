"""`daypass oidc client` registers, lists, changes and removes clients for sign-in."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daypass.cli.main import cli

ACCOUNT = "123456789012"
ISSUER, CLIENT, SECRET = "https://login.example.org/tenant", "daypass", "s3cret-of-the-client"
ADD = ("oidc", "client", "add", "corp", "--issuer", ISSUER, "--client-id", CLIENT)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return a store with one account."""
    url = f"sqlite:///{tmp_path / 'd.db'}"
    assert run(url, "account", "create", "--id", ACCOUNT).exit_code == 0
    return url


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """Return a file with a secret."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def run(store: str, *words: str, **more: Any) -> Result:
    """Run a command on a store."""
    result = CliRunner().invoke(cli, [*words, "--store", store], **more)
    assert SECRET not in result.output
    return result


def clients(store: str, **more: Any) -> list[dict[str, Any]]:
    """Return the listed clients."""
    found: list[dict[str, Any]] = json.loads(run(store, "oidc", "client", "list", "--output", "json", **more).stdout)[
        "Clients"
    ]
    return found


def test_a_client_is_added_changed_and_removed(store: str, secret: str) -> None:
    """Each command prints the redirect URI that the provider needs, and never the secret."""
    added = run(store, *ADD, "--secret-file", secret, "--label", "Acme", "--order", "3", "--scope", "groups")
    assert added.exit_code == 0, added.output
    assert "http://127.0.0.1:7878/login/oidc/callback/login.example.org/tenant" in added.output
    [shown] = clients(store)
    assert shown.pop("CreateDate").startswith("20")
    assert shown == {
        "Name": "corp",
        "AccountId": ACCOUNT,
        "Arn": f"arn:aws:daypass::{ACCOUNT}:oidc-client/corp",
        "Issuer": ISSUER,
        "ClientId": CLIENT,
        "Source": "store",
        "IsHidden": False,
        "Authentication": "auto",
        "HasSecret": True,
        "Scopes": ["groups"],
        "ResponseMode": "auto",
        "Label": "Acme",
        "Logo": "",
        "Order": 3,
        "RedirectUri": "http://127.0.0.1:7878/login/oidc/callback/login.example.org/tenant",
        "KeysUrl": None,
        "Keys": [],
    }
    changed = run(store, "oidc", "client", "set", "CORP", "--response-mode", "form_post", "--scope", "")
    assert changed.exit_code == 0, changed.output
    [shown] = clients(store)
    assert (shown["ResponseMode"], shown["Scopes"], shown["Label"], shown["HasSecret"]) == (
        "form_post",
        [],
        "Acme",
        True,
    )
    assert run(store, "oidc", "client", "remove", "corp").exit_code == 0
    assert clients(store) == []


def test_a_client_with_keys_shows_their_address(store: str, secret: str) -> None:
    """The private key is made here and never shown; a rotation adds a key that waits."""
    added = run(store, *ADD, "--authentication", "private_key_jwt")
    assert "/jwks.json" in added.output
    [shown] = clients(store)
    assert (len(shown["Keys"]), "d" in shown["Keys"][0], shown["HasSecret"]) == (1, False, False)
    assert run(store, "oidc", "client", "rotate-key", "corp").exit_code == 0
    again = run(store, "oidc", "client", "rotate-key", "corp")
    assert (again.exit_code, "waits already" in again.output) == (6, True)
    assert len(clients(store)[0]["Keys"]) == 2
    assert run(store, "oidc", "client", "rotate-key", "corp", "--now").exit_code == 0
    assert run(store, "oidc", "client", "set", "corp", "--secret-file", secret).exit_code == 6
    method = ("--authentication", "client_secret_post")
    assert run(store, "oidc", "client", "set", "corp", *method, "--secret-file", secret).exit_code == 0
    [shown] = clients(store)
    assert (shown["Keys"], shown["HasSecret"]) == ([], True)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--authentication", "client_secret_basic"), "needs the secret"),
        (("--label", "a\u202eb"), "printable"),
        (("--label", "x" * 65), "at most 64"),
        (("--logo", "https://evil.example.org/x.png"), "The logo is a data: URL"),
        (("--logo", "data:image/png;base64," + "A" * 16_384), "at most 16384 characters"),
        (("--scope", "two words"), "visible ASCII"),
        (("--client-id", "a\nb"), "printable"),
        (("--issuer", "http://login.example.org"), "not a valid issuer"),
        (("--issuer", "https://login.example.org/?x=1"), "not a valid issuer"),
        (("--account", "210987654321"), "does not exist"),
        (("--secret-file", "missing"), "cannot be read"),
    ],
)
def test_a_client_that_is_not_valid_is_refused(store: str, more: tuple[str, ...], says: str) -> None:
    """The message says what is wrong, and the store stays as it is."""
    refused = run(store, *ADD, *more)
    assert (refused.exit_code, says in refused.output) == (6, True), refused.output
    assert clients(store) == []


def test_a_secret_that_others_can_read_is_refused(store: str, secret: str) -> None:
    """As with every key file."""
    Path(secret).chmod(0o644)
    refused = run(store, *ADD, "--secret-file", secret)
    assert (refused.exit_code, "chmod 600" in refused.output) == (6, True)
    assert run(store, *ADD, "--secret-file", "-", input=f"{SECRET}\n").exit_code == 0


@pytest.mark.parametrize("again", [("corp", "another"), ("second", CLIENT)])
def test_a_name_and_a_client_id_occur_once_in_an_account(store: str, again: tuple[str, str]) -> None:
    """Another client must not take over a link."""
    assert run(store, *ADD).exit_code == 0
    name, client_id = again
    refused = run(store, "oidc", "client", "add", name, "--issuer", ISSUER, "--client-id", client_id)
    assert (refused.exit_code, "already" in refused.output) == (6, True)


def test_an_account_has_a_limited_number_of_clients(store: str, tmp_path: Path) -> None:
    """The quota oidc_clients is that of the settings."""
    settings = tmp_path / "daypass.toml"
    settings.write_text("[quotas]\noidc_clients = 1\n", encoding="utf-8")
    assert run(store, *ADD, "--config", str(settings)).exit_code == 0
    more = ("oidc", "client", "add", "second", "--issuer", ISSUER, "--client-id", "b", "--config", str(settings))
    refused = run(store, *more)
    assert (refused.exit_code, "which is the maximum" in refused.output) == (6, True)


def test_the_settings_are_imported(store: str, secret: str) -> None:
    """Until the setting is removed, it hides the records; a second import changes nothing."""
    line = f"{ISSUER} {CLIENT} {secret}, {ISSUER} public"
    env = {"DAYPASS_OIDC_CLIENTS": line}
    listed = run(store, "oidc", "client", "list", env=env)
    assert listed.stdout.count("from settings") == 2
    imported = run(store, "oidc", "client", "import-settings", env=env)
    assert imported.exit_code == 0, imported.output
    assert "restart" in imported.output
    found = clients(store, env=env)
    assert [(each["Source"], each["IsHidden"]) for each in found] == [
        ("settings", False),
        ("settings", False),
        ("store", True),
        ("store", True),
    ]
    after = clients(store)
    assert [(each["Name"], each["Authentication"], each["HasSecret"], each["IsHidden"]) for each in after] == [
        ("login.example.org", "auto", True, False),
        ("login.example.org-2", "none", False, False),
    ]
    again = json.loads(run(store, "oidc", "client", "import-settings", "--output", "json", env=env).stdout)
    assert again == {"Clients": []}


def test_a_list_reads_no_secret_of_the_settings(store: str) -> None:
    """The operator who lists clients may not be the user of the server, who alone can read the file."""
    env = {"DAYPASS_OIDC_CLIENTS": f"{ISSUER} {CLIENT} /missing/secret"}
    [listed] = clients(store, env=env)
    assert (listed["Source"], listed["HasSecret"]) == ("settings", True)
    refused = run(store, "oidc", "client", "import-settings", env=env)
    assert (refused.exit_code, "cannot be read" in refused.output) == (6, True)


def test_a_client_of_the_settings_is_read_only(store: str) -> None:
    """The message names the way to change it."""
    env = {"DAYPASS_OIDC_CLIENTS": f"{ISSUER} {CLIENT}"}
    for words in (("set", "login.example.org", "--label", "x"), ("remove", "login.example.org")):
        refused = run(store, "oidc", "client", *words, env=env)
        assert (refused.exit_code, "import-settings" in refused.output) == (6, True)
