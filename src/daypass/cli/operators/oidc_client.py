"""`daypass oidc client`: the clients for OpenID Connect sign-in.

Owns the commands on the records, and the list that shows the clients of the settings beside them. Those are read-only:
`import-settings` moves them into the store. A running server applies a change within a second. Leaves the rules to
operations/oidc_client_changes.py.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from daypass.cli.shared.account_option import account_option, choose_account
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import OperatorChange, operator_change
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list, read_config
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcSignInClient, client_key
from daypass.directory.store import Reader
from daypass.federation.oidc.provider import SCHEME
from daypass.key_files import KeyFileError, read_key_file
from daypass.mint.secret import Secret
from daypass.operations.oidc_client_changes import (
    AUTHENTICATIONS,
    LAST_ORDER,
    OidcClientError,
    OidcClientSettings,
    add_client,
    change_client,
    find_client_record,
    remove_client,
    rotate_client_key,
)
from daypass.operations.oidc_clients import client_of, is_hidden, published_keys

if TYPE_CHECKING:
    from daypass.config import ClientSetting, Config
    from daypass.federation.oidc.issuers.client import Client
    from daypass.storage.views import OpenedStore

F = TypeVar("F", bound=Callable[..., Any])
_DAY = 86_400
_MOST_SECRET = 4_096
_AUTO = "auto"


@click.group()
def client() -> None:
    """Manage the clients for sign-in at OpenID Connect providers.

    A client is the registration of this server at a provider. The sign-in page lists it, and a change applies to every
    node of a running server within a second.
    """


def _settings_options(function: F) -> F:
    """Add the options of the settings that can change."""
    options = (
        click.option(
            "--authentication",
            type=click.Choice([_AUTO, *AUTHENTICATIONS]),
            help="The method at the token endpoint. auto: the secret, as the provider's discovery document says.",
        ),
        click.option(
            "--secret-file",
            type=click.Path(allow_dash=True, path_type=Path),
            help="A file with the client secret; - reads standard input.",
        ),
        click.option(
            "--key-algorithm",
            type=click.Choice(["ES256", "RS256"]),
            help="The algorithm of new keys of private_key_jwt. Default: ES256.",
        ),
        click.option(
            "--scope",
            "scopes",
            multiple=True,
            help="A scope to request beside openid, instead of email and profile. Repeatable.",
        ),
        click.option(
            "--response-mode",
            type=click.Choice([_AUTO, "query", "form_post"]),
            help="How the provider returns the code. auto: as its discovery document says.",
        ),
        click.option("--label", help="The name of the provider on the sign-in page."),
        click.option("--logo", help="The logo on the sign-in page: a data: URL of an image, or a path of this server."),
        click.option("--order", type=click.IntRange(0, LAST_ORDER), help="The place on the sign-in page: low first."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@client.command()
@click.argument("name")
@click.option("--issuer", required=True, metavar="URL", help="The issuer: the provider's URL, as in its tokens.")
@click.option("--client-id", required=True, help="The client id that the provider gave to this server.")
@account_option
@_settings_options
@operator_options
def add(  # noqa: PLR0913 - one parameter an option
    *,
    name: str,
    issuer: str,
    client_id: str,
    account: str | None,
    store: str | None,
    config_file: Path | None,
    output: str,
    **given: Any,
) -> None:
    """Register a client, and print what the provider needs to know about it."""
    settings, config = _settings(**given), read_config({"store": store}, config_file)
    with operator_change("oidc client add", "PutOidcClient", store, config_file) as change, _stopping():
        there = change.there
        made = add_client(
            change.writer,
            choose_account(change.writer, account),
            name,
            issuer=issuer,
            client_id=client_id,
            settings=settings,
            vault=there.vault,
            now=there.clock.now(),
            most=config.quotas.oidc_clients,
        )
        shown = _told(change, made, config)
    _print_changed(shown, output)


@client.command("list")
@operator_options
def list_clients(store: str | None, config_file: Path | None, output: str) -> None:
    """List the clients of every account.

    It also lists those of DAYPASS_OIDC_CLIENTS in this environment.
    """
    config = read_config({"store": store}, config_file)
    with opened(store, config_file) as there, there.store.read() as reader:
        found = [_shown(record, config, there) for record in records.each(reader, OidcSignInClient, None)]
    rows = [*(_shown_setting(each, config) for each in config.oidc_clients), *found]
    none = "No OpenID Connect clients. Run `daypass oidc client add NAME --issuer URL --client-id ID` to add one."
    print_list("Clients", rows, output, line=_line, none=none)


@client.command("set")
@click.argument("name")
@account_option
@_settings_options
@operator_options
def set_client(
    *, name: str, account: str | None, store: str | None, config_file: Path | None, output: str, **given: Any
) -> None:
    """Change the settings of a client.

    Settings whose options are not given stay as they are.

    An empty --scope restores the default scopes. A new method drops the secret or keys of the former one.
    """
    settings, config = _settings(**given), read_config({"store": store}, config_file)
    with operator_change("oidc client set", "PutOidcClient", store, config_file) as change, _stopping():
        record, there = _get(change.writer, name, account), change.there
        new = change_client(change.writer, record, settings, vault=there.vault, now=there.clock.now())
        shown = _told(change, new, config)
    _print_changed(shown, output)


@client.command()
@click.argument("name")
@account_option
@operator_options
def remove(*, name: str, account: str | None, store: str | None, config_file: Path | None, output: str) -> None:
    """Remove a client. The sign-in page stops to list it within a second."""
    config = read_config({"store": store}, config_file)
    with operator_change("oidc client remove", "DeleteOidcClient", store, config_file) as change:
        record = _get(change.writer, name, account)
        remove_client(change.writer, record)
        shown = _told(change, record, config)
    if output == "json":
        print_json(shown)
        return
    click.echo(f"The client {record.name} was removed.", err=True)


@client.command("rotate-key")
@click.argument("name")
@click.option(
    "--after",
    "days",
    metavar="DAYS",
    type=click.IntRange(1, 365),
    default=7,
    help="Days until the new key signs. Default: 7.",
)
@click.option("--now", "at_once", is_flag=True, help="Use the published new key, or a new one, immediately.")
@account_option
@operator_options
def rotate_key(  # noqa: PLR0913 - one parameter an option
    *,
    name: str,
    days: int,
    at_once: bool,
    account: str | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Make a new key for private_key_jwt.

    The new key is published at once, so that the provider can fetch it before it signs.
    """
    config = read_config({"store": store}, config_file)
    with operator_change("oidc client rotate-key", "RotateOidcClientKey", store, config_file) as change, _stopping():
        record, there = _get(change.writer, name, account), change.there
        new = rotate_client_key(
            change.writer, record, after=0 if at_once else days * _DAY, vault=there.vault, now=there.clock.now()
        )
        shown = _told(change, new, config)
    _print_changed(shown, output)


@client.command("import-settings")
@account_option
@operator_options
def import_settings(account: str | None, store: str | None, config_file: Path | None, output: str) -> None:
    """Copy the clients of DAYPASS_OIDC_CLIENTS into the store.

    The setting wins while it exists. Remove it and restart the server afterwards; from then on the clients can be
    changed without a restart.
    """
    config = read_config({"store": store}, config_file)
    made: list[dict[str, Any]] = []
    with operator_change("oidc client import-settings", "ImportOidcClients", store, config_file) as change, _stopping():
        there, writer = change.there, change.writer
        owner = choose_account(writer, account)
        for setting in _with_secrets(config):
            key = client_key(owner, setting.issuer, setting.client_id)
            if any(each.key == key for each in records.each(writer, OidcSignInClient, owner)):
                continue
            record = add_client(
                writer,
                owner,
                _free_name(writer, owner, setting),
                issuer=setting.issuer,
                client_id=setting.client_id,
                settings=OidcClientSettings(
                    authentication="" if setting.secret else "none",
                    secret=Secret(setting.secret) if setting.secret else None,
                ),
                vault=there.vault,
                now=there.clock.now(),
                most=config.quotas.oidc_clients,
            )
            made.append(_shown(record, config, there))
        change.tell(AccountId=owner, Names=[each["Name"] for each in made])
    none = "No clients to import: DAYPASS_OIDC_CLIENTS is empty, or the store has all of them."
    print_list("Clients", made, output, line=_line, none=none)
    if made and output != "json":
        click.echo("Remove the setting oidc_clients and restart the server: until then the setting wins.", err=True)


def _settings(  # noqa: PLR0913 - one parameter an option
    *,
    authentication: str | None,
    secret_file: Path | None,
    key_algorithm: str | None,
    scopes: Sequence[str],
    response_mode: str | None,
    label: str | None,
    logo: str | None,
    order: int | None,
) -> OidcClientSettings:
    return OidcClientSettings(
        authentication="" if authentication == _AUTO else authentication,
        secret=None if secret_file is None else _read_secret(secret_file),
        key_algorithm=key_algorithm,
        scopes=tuple(filter(None, scopes)) if scopes else None,
        response_mode="" if response_mode == _AUTO else response_mode,
        label=label,
        logo=logo,
        order=order,
    )


def _read_secret(path: Path) -> Secret:
    """Return the secret in a file, or on standard input. No message repeats it."""
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(_MOST_SECRET)
        else:
            content = read_key_file(path, most_bytes=_MOST_SECRET)
        text = content.decode().strip()
    except KeyFileError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    except UnicodeDecodeError:
        raise CommandError(f"{path} does not contain UTF-8 text.", Exit.CONFIGURATION) from None
    if not text:
        raise CommandError(f"{path} does not contain a secret.", Exit.CONFIGURATION)
    return Secret(text)


def _get(reader: Reader, name: str, account: str | None) -> OidcSignInClient:
    owner = choose_account(reader, account)
    found = find_client_record(reader, owner, name)
    if found is None:
        raise CommandError(
            f"Account {owner} has no client {name}. Run `daypass oidc client list` to see all clients. A client of "
            "DAYPASS_OIDC_CLIENTS is read-only: `daypass oidc client import-settings` copies it into the store.",
            Exit.CONFIGURATION,
        )
    return found


def _with_secrets(config: "Config") -> Sequence["Client"]:
    """Return the clients of the settings with their secrets, which only an import reads."""
    from daypass.config import ConfigurationError
    from daypass.wiring import oidc_clients

    try:
        return oidc_clients(config)
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error


def _free_name(reader: Reader, account: str, setting: "Client") -> str:
    host = setting.host.partition(":")[0].strip("[]").replace(":", "-")
    name, number = host, 1
    while find_client_record(reader, account, name) is not None:
        number += 1
        name = f"{host}-{number}"
    return name


@contextmanager
def _stopping() -> Iterator[None]:
    try:
        yield
    except OidcClientError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error


def _told(change: OperatorChange, record: OidcSignInClient, config: "Config") -> dict[str, Any]:
    """Tell the event about a client, and return the printed members."""
    shown = _shown(record, config, change.there)
    change.tell(**{name: shown[name] for name in ("Name", "AccountId", "Issuer", "ClientId", "Authentication")})
    return shown


def _shown(record: OidcSignInClient, config: "Config", there: "OpenedStore") -> dict[str, Any]:
    now = int(there.clock.now().timestamp())
    has_keys = record.authentication == "private_key_jwt"
    return {
        "Name": record.name,
        "AccountId": record.account,
        "Arn": record.arn,
        "Issuer": record.issuer,
        "ClientId": record.client_id,
        "Source": "store",
        "IsHidden": is_hidden(client_of(record), config.oidc_clients),
        "Authentication": record.authentication or _AUTO,
        "HasSecret": bool(record.sealed_secret),
        "Scopes": list(record.scopes),
        "ResponseMode": record.response_mode or _AUTO,
        "Label": record.label,
        "Logo": record.logo,
        "Order": record.order,
        "RedirectUri": _redirect_uri(record.issuer, config),
        "KeysUrl": f"{config.url}/login/oidc/clients/{record.key}/jwks.json" if has_keys else None,
        "Keys": published_keys(record, now) if has_keys else [],
        "CreateDate": record.created.isoformat(),
    }


def _shown_setting(setting: "ClientSetting", config: "Config") -> dict[str, Any]:
    return {
        "Name": None,
        "AccountId": None,
        "Arn": None,
        "Issuer": setting.issuer,
        "ClientId": setting.client_id,
        "Source": "settings",
        "IsHidden": False,
        "Authentication": _AUTO if setting.secret_file else "none",
        "HasSecret": bool(setting.secret_file),
        "Scopes": [],
        "ResponseMode": _AUTO,
        "Label": "",
        "Logo": "",
        "Order": 0,
        "RedirectUri": _redirect_uri(setting.issuer, config),
        "KeysUrl": None,
        "Keys": [],
        "CreateDate": None,
    }


def _redirect_uri(issuer: str, config: "Config") -> str:
    return f"{config.url}/login/oidc/callback/{issuer.removeprefix(SCHEME)}"


def _line(shown: dict[str, Any]) -> str:
    source = "from settings" if shown["Source"] == "settings" else f"{shown['AccountId']}/{shown['Name']}"
    hidden = "hidden by DAYPASS_OIDC_CLIENTS" if shown["IsHidden"] else ""
    return "  ".join(
        filter(None, (source, shown["Issuer"], shown["ClientId"], shown["Authentication"], shown["Label"], hidden))
    )


def _print_changed(shown: dict[str, Any], output: str) -> None:
    if output == "json":
        print_json(shown)
        return
    click.echo(_line(shown), err=True)
    click.echo(f"Redirect URI for the provider: {shown['RedirectUri']}", err=True)
    if shown["KeysUrl"]:
        click.echo(f"URL of the client's public keys (JWKS): {shown['KeysUrl']}", err=True)
