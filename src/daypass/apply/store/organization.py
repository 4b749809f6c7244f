"""The organization in a file.

Owns reading units, accounts' units and levels' control policies from a store, and applying changes by
organization_changes.py, like the operators' command.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.state import Thing, document_text
from daypass.apply.plan.differences import Change, Difference, Verb
from daypass.apply.store.api import Api
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.entities.organization_entities import (
    FULL_ACCESS_RESOURCE,
    FULL_ACCESS_SERVICE,
    ControlPolicies,
    untouched,
)
from daypass.directory.organization.organization_changes import (
    ControlKind,
    OrganizationChangeError,
    create_unit,
    delete_unit,
    find_unit,
    get_organization,
    move_account,
    remove_policy,
    set_policy,
    units_of,
)
from daypass.directory.organization.organization_tree import find_organization, find_policies
from daypass.directory.store import Reader
from daypass.errors import SenderFault

_CONTROLS: Mapping[str, ControlKind] = {"serviceControl": "service", "resourceControl": "resource"}


def read_units(reader: Reader) -> Iterator[Thing]:
    """Return the root and the units of the organization, named by path."""
    organization = find_organization(reader)
    if organization is None:
        return
    for unit_id, path in unit_paths(reader).items():
        attributes = control_attributes(find_policies(reader, unit_id))
        yield Thing("", "unit", path, attributes, id=unit_id, protected=path == "/")


def unit_paths(reader: Reader) -> dict[str, str]:
    """Return the path of each unit by id; the path of the root is `/`."""
    organization = find_organization(reader)
    if organization is None:
        return {}
    paths = {organization.root: "/"}
    units = {unit.id: unit for unit in units_of(reader)}

    def path(unit_id: str) -> str:
        if unit_id not in paths:
            above = path(units[unit_id].parent)
            paths[unit_id] = f"{above.rstrip('/')}/{units[unit_id].name}"
        return paths[unit_id]

    return {unit_id: path(unit_id) for unit_id in (organization.root, *units)}


def account_attributes(reader: Reader, account: Account, paths: Mapping[str, str]) -> dict[str, Any]:
    """Return the unit and the control policies of an account."""
    if account.standing == "standalone":
        return {"unit": ""}
    organization = find_organization(reader)
    root = "" if organization is None else organization.root
    here = paths.get(account.unit or root, "/")
    return {"unit": here, **control_attributes(find_policies(reader, account.id))}


def control_attributes(attached: ControlPolicies) -> dict[str, Any]:
    """Return the control policies of a level.

    AWS's own are a separate boolean.
    """
    return {
        "fullAccess": FULL_ACCESS_SERVICE in attached.service,
        "serviceControl": {
            name: json.loads(text) for name, text in attached.service.items() if name != FULL_ACCESS_SERVICE
        },
        "resourceControl": {
            name: json.loads(text) for name, text in attached.resource.items() if name != FULL_ACCESS_RESOURCE
        },
    }


def organize(change: Change, api: Api) -> None:
    """Apply the changes of an account or a unit. Raises ApplyFileError."""
    writer, thing = api.ctx.writer, change.thing
    if change.verb is Verb.DELETE:
        _try(thing, "", api, "DeleteOrganizationalUnit", lambda: delete_unit(writer, thing.name))
        return
    # The root is created together with the management account.
    if change.verb is Verb.CREATE and thing.kind == "unit" and thing.name != "/":
        above, _, name = thing.name.rpartition("/")
        _try(
            thing,
            "",
            api,
            "CreateOrganizationalUnit",
            lambda: create_unit(writer, above or "/", name, entropy=api.ctx.entropy),
        )
    for difference in change.parts("unit"):
        # A new account is placed by its standing, unless the file names a unit.
        _try(thing, "unit", api, "MoveAccount", lambda unit=difference.after: move_account(writer, thing.name, unit))  # type: ignore[misc] # bound early
    _control(change, api)


def rename_account(change: Change, api: Api) -> None:
    """Change the display name of an account."""
    for difference in change.parts("name"):
        ctx, thing = api.ctx, change.thing
        account = records.find(ctx.reader, Account, "", thing.account)
        if account is None:
            raise ApplyFileError(thing.place, "the account does not exist")
        records.replace(ctx.writer, msgspec.structs.replace(account, name=difference.after))
        api.note(thing.account, "PutAccountName", {"AccountName": difference.after})


def unit_id(reader: Reader, path: str) -> str:
    """Return the id of the unit at this path."""
    return find_unit(reader, get_organization(reader), path)


def _control(change: Change, api: Api) -> None:
    """Attach policies before detaching others.

    A level always needs a service control policy.
    """
    full = next(change.parts("fullAccess"), None)
    if full is not None and full.after and not full.is_new:
        _put(change.thing, api, "fullAccess", FULL_ACCESS_SERVICE, untouched("").service[FULL_ACCESS_SERVICE])
    for attribute in _CONTROLS:
        for part in change.parts(attribute):
            if not part.is_gone:
                _put(change.thing, api, attribute, part.part, document_text(part.after))
    for attribute in _CONTROLS:
        for part in change.parts(attribute):
            if part.is_gone:
                _remove(change.thing, api, attribute, part)
    if full is not None and not full.after:
        _remove(change.thing, api, "fullAccess", Difference("fullAccess", FULL_ACCESS_SERVICE))


def _put(thing: Thing, api: Api, attribute: str, name: str, text: str) -> None:
    kind = _CONTROLS.get(attribute, "service")
    _try(thing, attribute, api, "AttachPolicy", lambda: set_policy(api.ctx.writer, thing.name, kind, name, text))


def _remove(thing: Thing, api: Api, attribute: str, part: Difference) -> None:
    kind = _CONTROLS.get(attribute, "service")
    _try(thing, attribute, api, "DetachPolicy", lambda: remove_policy(api.ctx.writer, thing.name, kind, part.part))


def _try(thing: Thing, attribute: str, api: Api, action: str, act: Callable[[], object]) -> None:
    try:
        act()
    except OrganizationChangeError as error:
        raise ApplyFileError(thing.place_of(attribute), str(error), refused=True) from error
    except SenderFault as fault:
        raise ApplyFileError(thing.place_of(attribute), f"{fault.code}: {fault.message}", refused=True) from fault
    api.note(get_organization(api.ctx.reader).manager, action, {"TargetId": thing.name})
