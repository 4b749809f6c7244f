"""`daypass organization`: the store's organization.

Owns the commands for its units and for the policies of each level. They open the store itself; a live server may use it
at the same time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import OperatorChange, operator_change
from daypass.cli.shared.store_options import config_option, opened, output_option, print_json, store_option
from daypass.directory.entities.iam_entities import Account
from daypass.directory.entities.organization_entities import Organization, Unit
from daypass.directory.organization import organization_changes as changes
from daypass.directory.organization.organization_tree import find_policies
from daypass.directory.store import Reader
from daypass.errors import MalformedPolicyDocument

F = TypeVar("F", bound=Callable[..., Any])

_kind_option = click.option(
    "--type",
    "kind",
    type=click.Choice(["service", "resource"]),
    default="service",
    help="The policy type: service (SCP) or resource (RCP).",
)


@click.group()
def command() -> None:
    """Show and change the store's organization.

    `daypass account create` creates its management account.
    """


@contextmanager
def _changing(
    name: str, action: str, store: str | None, config_file: Path | None, **parameters: str
) -> Iterator[OperatorChange]:
    """Open the store for one change. Stops with exit code 6 if the change is refused."""
    try:
        with operator_change(f"organization {name}", action, store, config_file) as change:
            change.tell(**parameters)
            yield change
    except (changes.OrganizationChangeError, MalformedPolicyDocument) as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error


def _store_options(function: F) -> F:
    return store_option(config_option(function))


@command.command()
@_store_options
@output_option
def show(store: str | None, config_file: Path | None, output: str) -> None:
    """Show units, accounts and attached policies as a tree."""
    with opened(store, config_file) as there, there.store.read() as reader:
        try:
            organization = changes.get_organization(reader)
        except changes.OrganizationChangeError as error:
            raise CommandError(str(error), Exit.CONFIGURATION) from error
        tree = _tree(reader, organization)
    if output == "json":
        print_json(_shown(organization, tree))
        return
    click.echo(f"{organization.id}  managed by {organization.manager}")
    _print_level(tree, 1)


def _shown(organization: Organization, tree: dict[str, Any]) -> dict[str, Any]:
    return {
        "Id": organization.id,
        "ManagementAccountId": organization.manager,
        "DelegatedAdministrator": organization.delegate or None,
        "EnabledFeatures": list(organization.features),
        "Root": tree,
    }


def _tree(reader: Reader, organization: Organization) -> dict[str, Any]:
    units, accounts = changes.units_of(reader), changes.accounts_of(reader)

    def level(target: str, name: str) -> dict[str, Any]:
        attached = find_policies(reader, target)
        return {
            "Id": target,
            "Name": name,
            "ServiceControlPolicies": sorted(attached.service),
            "ResourceControlPolicies": sorted(attached.resource),
        }

    def below(target: str, name: str) -> dict[str, Any]:
        mine: list[Account] = [one for one in accounts if (one.unit or organization.root) == target]
        inside: list[Unit] = [unit for unit in units if unit.parent == target]
        return {
            **level(target, name),
            "Accounts": [level(account.id, account.name) for account in mine],
            "Units": [below(unit.id, unit.name) for unit in inside],
        }

    return below(organization.root, "Root")


def _print_level(tree: dict[str, Any], depth: int) -> None:
    policies = ", ".join((*tree["ServiceControlPolicies"], *tree["ResourceControlPolicies"]))
    click.echo(f"{'  ' * depth}{tree['Name']}  {tree['Id']}  [{policies}]")
    for account in tree.get("Accounts", ()):
        _print_level(account, depth + 1)
    for unit in tree.get("Units", ()):
        _print_level(unit, depth + 1)


@command.command("create-unit")
@click.argument("name")
@click.option("--parent", default="/", help="The ID or path (such as /prod) of the parent unit. Default: the root.")
@_store_options
def create_unit(name: str, parent: str, store: str | None, config_file: Path | None) -> None:
    """Create an organizational unit and print its ID."""
    with _changing("create-unit", "CreateOrganizationalUnit", store, config_file, Name=name, Parent=parent) as change:
        unit = changes.create_unit(change.writer, parent, name, entropy=change.there.entropy)
        change.tell(Unit=unit.id)
    click.echo(unit.id)


@command.command("delete-unit")
@click.argument("unit")
@_store_options
def delete_unit(unit: str, store: str | None, config_file: Path | None) -> None:
    """Delete an empty organizational unit."""
    with _changing("delete-unit", "DeleteOrganizationalUnit", store, config_file, Unit=unit) as change:
        changes.delete_unit(change.writer, unit)


@command.command()
@click.argument("account")
@click.argument("unit")
@_store_options
def move(account: str, unit: str, store: str | None, config_file: Path | None) -> None:
    """Move ACCOUNT to UNIT.

    UNIT is an ID, or a path such as /prod or /. A standalone account joins the organization.
    """
    with _changing("move", "MoveAccount", store, config_file, AccountId=account, Unit=unit) as change:
        changes.move_account(change.writer, account, unit)


@command.command()
@click.argument("account")
@_store_options
def remove(account: str, store: str | None, config_file: Path | None) -> None:
    """Remove a member ACCOUNT from the organization."""
    action = "RemoveAccountFromOrganization"
    with _changing("remove", action, store, config_file, AccountId=account) as change:
        changes.remove_account(change.writer, account)


@command.command()
@click.argument("account", default="")
@_store_options
def delegate(account: str, store: str | None, config_file: Path | None) -> None:
    """Make ACCOUNT the delegated administrator of IAM.

    Without ACCOUNT, remove the delegated administrator.
    """
    with _changing("delegate", "SetDelegatedAdministrator", store, config_file, AccountId=account) as change:
        changes.set_delegate(change.writer, account)


@command.command("set-policy")
@click.argument("target")
@click.argument("name")
@click.argument("document", type=click.File(encoding="utf-8"))
@_kind_option
@_store_options
def set_policy(
    *, target: str, name: str, document: Any, kind: changes.ControlKind, store: str | None, config_file: Path | None
) -> None:
    """Attach the policy in the file DOCUMENT to TARGET.

    TARGET is an account, a unit or / (the root). NAME is the policy's name. - reads the policy from standard input.
    """
    told = {"Target": target, "PolicyName": name, "Type": kind}
    with _changing("set-policy", "AttachPolicy", store, config_file, **told) as change:
        changes.set_policy(change.writer, target, kind, name, document.read())


@command.command("remove-policy")
@click.argument("target")
@click.argument("name")
@_kind_option
@_store_options
def remove_policy(
    *, target: str, name: str, kind: changes.ControlKind, store: str | None, config_file: Path | None
) -> None:
    """Detach the policy NAME from TARGET.

    TARGET is an account, a unit or / (the root).
    """
    told = {"Target": target, "PolicyName": name, "Type": kind}
    with _changing("remove-policy", "DetachPolicy", store, config_file, **told) as change:
        changes.remove_policy(change.writer, target, kind, name)
