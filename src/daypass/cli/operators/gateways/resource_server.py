"""`daypass resource-server add|list|remove`: gateways on other machines.

A registration limits the signing keys that a gateway or service may get: one service, its regions, and the accounts
whose callers it serves. The principal with which it signs its requests also needs the permission daypass:GetSigningKey
for the ARN of the registration. The commands open the store itself.
"""

from pathlib import Path
from typing import Any

import click

from daypass.cli.shared.account_option import account_option, choose_account
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import operator_change
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list
from daypass.directory import records
from daypass.directory.entities.resource_server_entities import EVERY_ACCOUNT, ResourceServer
from daypass.directory.resource_servers import (
    ResourceServerError,
    load_resource_server,
    new_registration,
    register,
)


@click.group()
def command() -> None:
    """Register gateways and services that verify requests elsewhere.

    They get signing keys that are valid for one day, one region and one service, never a secret access key.
    """


@command.command()
@click.argument("name")
@click.option("--service", default="s3", show_default=True, help="The service in the scope of its callers' signatures.")
@click.option(
    "--region", "regions", multiple=True, help="A region in the scope of its callers' signatures. Repeatable."
)
@click.option(
    "--accounts",
    metavar="12DIGITS,…",
    multiple=True,
    help="The accounts whose callers it serves, or '*' for every account. Default: the account of the registration.",
)
@account_option
@operator_options
def add(  # noqa: PLR0913 - one parameter an option
    *,
    name: str,
    service: str,
    regions: tuple[str, ...],
    accounts: tuple[str, ...],
    account: str | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Register a resource server and print the policy that it needs."""
    named = tuple(each.strip() for text in accounts for each in text.split(",") if each.strip())
    with operator_change("resource-server add", "AddResourceServer", store, config_file) as change:
        there, writer = change.there, change.writer
        owner = choose_account(writer, account)
        server = new_registration(
            name,
            account=owner,
            service=service,
            regions=regions or ("us-east-1",),
            accounts=named or (owner,),
            now=there.clock.now().replace(microsecond=0),
            entropy=there.entropy,
        )
        try:
            register(writer, server)
        except ResourceServerError as error:
            raise CommandError(str(error), Exit.CONFIGURATION) from error
        change.tell(**_told(server))
    if output == "json":
        print_json(_shown(server))
        return
    click.echo(
        f"Resource server {server.name} was registered. Attach this policy to the user or role of the gateway:",
        err=True,
    )
    print_json(needed_policy(server))
    if server.service == "s3":
        click.echo(
            "To create and delete buckets and to change their policies, the gateway needs daypass:ManageBuckets for "
            "the same resource too.",
            err=True,
        )


@command.command(name="list")
@operator_options
def list_servers(store: str | None, config_file: Path | None, output: str) -> None:
    """List the registered resource servers."""
    with opened(store, config_file) as there, there.store.read() as reader:
        found = [_shown(server) for server in records.each(reader, ResourceServer, "")]
    none = "No resource servers. Run `daypass resource-server add NAME` to register one."
    print_list("ResourceServers", found, output, line=_line, none=none)


@command.command()
@click.argument("name")
@operator_options
def remove(name: str, store: str | None, config_file: Path | None, output: str) -> None:
    """Remove a registration.

    Connected gateways of that name stop within a second.
    """
    with operator_change("resource-server remove", "RemoveResourceServer", store, config_file) as change:
        server = load_resource_server(change.writer, name)
        if server is None:
            raise CommandError(
                f"Resource server {name} does not exist. Run `daypass resource-server list` to see all of them.",
                Exit.CONFIGURATION,
            )
        records.delete(change.writer, server)
        change.tell(**_told(server))
    if output == "json":
        print_json(_shown(server))
        return
    click.echo(f"Resource server {name} was removed.", err=True)


def needed_policy(server: ResourceServer) -> dict[str, Any]:
    """Return the identity policy that a principal needs to act as the server."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "daypass:GetSigningKey", "Resource": server.arn}],
    }


def _line(shown: dict[str, Any]) -> str:
    accounts = "every account" if shown["Accounts"] == [EVERY_ACCOUNT] else ",".join(shown["Accounts"])
    return "  ".join((shown["Arn"], shown["Service"], ",".join(shown["Regions"]), accounts))


def _told(server: ResourceServer) -> dict[str, Any]:
    """Return the parameters of an event."""
    shown = _shown(server)
    return {name: shown[name] for name in ("Name", "Arn", "Service", "Regions", "Accounts")}


def _shown(server: ResourceServer) -> dict[str, Any]:
    return {
        "Name": server.name,
        "Arn": server.arn,
        "Service": server.service,
        "Regions": list(server.regions),
        "Accounts": list(server.accounts),
        "CreateDate": server.created.isoformat(),
    }
