"""Changes of the organization.

Owns the rules for creating it, changing its tree, moving accounts, and attaching control policies. Operators make these
changes by command or by file. Source: AWS Organizations User Guide, "Quotas and service limits", "Managing
organizational units", "SCP syntax".
"""

from collections.abc import Set as AbstractSet
from typing import Literal

import msgspec

from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.entities.organization_entities import (
    FULL_ACCESS_RESOURCE,
    ControlPolicies,
    Organization,
    Unit,
)
from daypass.directory.organization.organization_tree import DEEPEST, chain_of, find_organization, find_policies
from daypass.directory.store import Reader, Writer
from daypass.policy.language.document import DocumentKind, size_of
from daypass.policy.language.saved_documents import parse_new_document
from daypass.ports import Entropy

ControlKind = Literal["service", "resource"]
Standing = Literal["management", "member", "standalone"]

# AWS's quotas of policies on one level, and of characters in one.
MOST_POLICIES = {"service": 10, "resource": 5}
MOST_CHARACTERS = {"service": 10_240, "resource": 5_120}
_DOCUMENTS = {"service": DocumentKind.SERVICE_CONTROL, "resource": DocumentKind.RESOURCE_CONTROL}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_LONGEST_NAME = 128


class OrganizationChangeError(Exception):
    """An impossible change. The message states the reason."""


def found_organization(writer: Writer, manager: str, *, entropy: Entropy) -> Organization:
    """Create the organization with its management account."""
    organization = Organization(id=f"o-{_letters(10, entropy)}", root=f"r-{_letters(4, entropy)}", manager=manager)
    records.insert_new(writer, organization, OrganizationChangeError("The store already has an organization."))
    return organization


def get_organization(reader: Reader) -> Organization:
    """Return the store's organization, or raise OrganizationChangeError."""
    organization = find_organization(reader)
    if organization is None:
        raise OrganizationChangeError("The store has no organization: create its management account first.")
    return organization


def units_of(reader: Reader) -> list[Unit]:
    """Return every unit, ordered by parent and name."""
    return list(records.each(reader, Unit, ""))


def find_unit(reader: Reader, organization: Organization, text: str) -> str:
    """Return the id of the root or a unit, by id or by path of names.

    A path is such as `/` or `/prod/web`.
    """
    if text == organization.root or records.find(reader, Unit, "", text) is not None:
        return text
    if not text.startswith("/"):
        raise OrganizationChangeError(
            f"The unit {text} does not exist. A path of names begins with /, and / is the root."
        )
    here, units = organization.root, units_of(reader)
    for name in filter(None, text.split("/")):
        below = next((unit for unit in units if unit.parent == here and unit.name == name), None)
        if below is None:
            raise OrganizationChangeError(f"The unit {text} does not exist.")
        here = below.id
    return here


def create_unit(writer: Writer, parent: str, name: str, *, entropy: Entropy) -> Unit:
    """Create a unit below the root or another unit."""
    organization = get_organization(writer)
    if not 1 <= len(name) <= _LONGEST_NAME or "/" in name or not name.isprintable():
        raise OrganizationChangeError(f"A unit's name has 1 to {_LONGEST_NAME} characters and no slash.")
    above = find_unit(writer, organization, parent)
    if len(chain_of(writer, organization, above)) > DEEPEST:
        raise OrganizationChangeError(f"Units can be nested at most {DEEPEST} levels deep.")
    unit = Unit(id=f"ou-{organization.root[2:]}-{_letters(8, entropy)}", name=name, parent=above)
    records.insert_new(writer, unit, OrganizationChangeError(f"A unit {name} already exists there."))
    return unit


def delete_unit(writer: Writer, unit: str) -> None:
    """Delete an empty unit and its policies."""
    organization = get_organization(writer)
    found = find_unit(writer, organization, unit)
    if found == organization.root:
        raise OrganizationChangeError("The root cannot be deleted.")
    if any(other.parent == found for other in units_of(writer)):
        raise OrganizationChangeError(f"The unit {unit} contains units. Delete them first.")
    if any(account.unit == found for account in accounts_of(writer)):
        raise OrganizationChangeError(f"The unit {unit} contains accounts. Move them first.")
    records.delete_if_present(writer, Unit, "", found)
    records.delete_if_present(writer, ControlPolicies, "", found)


def move_account(writer: Writer, account: str, unit: str) -> None:
    """Move an account to a unit, or with `/` directly below the root.

    A standalone account joins the organization.
    """
    organization = get_organization(writer)
    found = find_unit(writer, organization, unit)
    row = _get_account(writer, account)
    standing: Standing = "management" if row.id == organization.manager else "member"
    place = "" if found == organization.root else found
    records.replace(writer, msgspec.structs.replace(row, standing=standing, unit=place))


def remove_account(writer: Writer, account: str) -> None:
    """Remove a member from the organization: it becomes standalone."""
    organization = get_organization(writer)
    row = _get_account(writer, account)
    if row.standing != "member":
        raise OrganizationChangeError(f"The account {account} is not a member of the organization.")
    if organization.delegate == account:
        records.replace(writer, msgspec.structs.replace(organization, delegate=""))
    records.replace(writer, msgspec.structs.replace(row, standing="standalone", unit=""))
    records.delete_if_present(writer, ControlPolicies, "", account)


def set_delegate(writer: Writer, account: str) -> None:
    """Set the delegated administrator of IAM for the organization.

    With an empty string, only the management account administers it.
    """
    organization = get_organization(writer)
    if account and _get_account(writer, account).standing != "member":
        raise OrganizationChangeError(f"The account {account} is not a member of the organization.")
    records.replace(writer, msgspec.structs.replace(organization, delegate=account))


def set_features(writer: Writer, features: AbstractSet[str]) -> Organization:
    """Set the enabled features of centralized root access.

    Returns the changed organization.
    """
    changed = msgspec.structs.replace(get_organization(writer), features=tuple(sorted(features)))
    records.replace(writer, changed)
    return changed


def set_policy(writer: Writer, target: str, kind: ControlKind, name: str, document: str) -> None:
    """Attach a control policy to the root, a unit or an account.

    It replaces one of the same name. Raises OrganizationChangeError, or MalformedPolicyDocument.
    """
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise OrganizationChangeError(f"A policy's name has 1 to {_LONGEST_NAME} characters.")
    if name == FULL_ACCESS_RESOURCE:
        raise OrganizationChangeError(f"{FULL_ACCESS_RESOURCE} is AWS's own and cannot be changed.")
    parse_new_document(document, _DOCUMENTS[kind])
    if size_of(document, count_white_space=True) > MOST_CHARACTERS[kind]:
        raise OrganizationChangeError(f"A {kind} control policy has at most {MOST_CHARACTERS[kind]} characters.")
    attached = find_policies(writer, _find_target(writer, target))
    documents = {**_documents(attached, kind), name: document}
    if len(documents) > MOST_POLICIES[kind]:
        raise OrganizationChangeError(
            f"At most {MOST_POLICIES[kind]} {kind} control policies can be attached to one level."
        )
    _put(writer, attached, kind, documents)


def remove_policy(writer: Writer, target: str, kind: ControlKind, name: str) -> None:
    """Detach a control policy.

    One service control policy must stay: a level without any would deny everything.
    """
    attached = find_policies(writer, _find_target(writer, target))
    documents = dict(_documents(attached, kind))
    if name == FULL_ACCESS_RESOURCE:
        raise OrganizationChangeError(f"{FULL_ACCESS_RESOURCE} cannot be detached.")
    if documents.pop(name, None) is None:
        raise OrganizationChangeError(f"The {kind} control policy {name} is not attached to {target}.")
    if not documents:
        raise OrganizationChangeError(
            "The last service control policy of a level cannot be detached. Attach another first."
        )
    _put(writer, attached, kind, documents)


def accounts_of(reader: Reader) -> list[Account]:
    """Return the accounts of the organization, by id."""
    return [account for account in records.each(reader, Account, "") if account.standing != "standalone"]


def _documents(attached: ControlPolicies, kind: ControlKind) -> dict[str, str]:
    return dict(attached.service if kind == "service" else attached.resource)


def _put(writer: Writer, attached: ControlPolicies, kind: ControlKind, documents: dict[str, str]) -> None:
    changed = msgspec.structs.replace(attached, **{kind: documents})
    if records.find(writer, ControlPolicies, "", attached.target) is None:
        records.insert(writer, changed)
    else:
        records.replace(writer, changed)


def _find_target(reader: Reader, target: str) -> str:
    organization = get_organization(reader)
    row = records.find(reader, Account, "", target)
    if row is None:
        return find_unit(reader, organization, target)
    if row.standing == "standalone":
        raise OrganizationChangeError(f"The account {target} is not in the organization.")
    return target


def _get_account(reader: Reader, account: str) -> Account:
    row = records.find(reader, Account, "", account)
    if row is None:
        raise OrganizationChangeError(f"The account {account} does not exist.")
    return row


def _letters(count: int, entropy: Entropy) -> str:
    number = int.from_bytes(entropy(count + 8))
    letters = []
    for _ in range(count):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    return "".join(letters)
