"""Check that the references of a file will exist.

These are groups, policies, and the users and roles in trust policies and bucket policies. Pure. Owns the check before
any change, so that the error names the line. Leaves references outside the accounts of the file (AWS's policies, other
accounts) to the API inside the transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from daypass.apply.file.desired import Desired
from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.state import NOUNS, State, Thing
from daypass.apply.plan.differences import ApplyPlan, Verb
from daypass.arn import Arn
from daypass.directory.unresolved_principals import principals_of

_TRUSTED: Mapping[str, tuple[str, ...]] = {"AWS": ("user", "role"), "Federated": ("oidc-provider", "saml-provider")}


def check_references(desired: Desired, present: State, plan: ApplyPlan) -> None:
    """Refuse a file with a reference that will not exist.

    Raises ApplyFileError.
    """
    gone = {change.thing.key for change in plan.of(Verb.DELETE)}
    after = {key: thing for key, thing in present.items() if key not in gone} | dict(desired.state)
    known = _Known(frozenset(desired.accounts), {key: _with_path(thing, present) for key, thing in after.items()})
    for thing in desired.state.values():
        for attribute, words in _broken(thing, known):
            raise ApplyFileError(thing.place_of(attribute), words)


class _Known:
    """The ARNs that will exist."""

    def __init__(self, accounts: frozenset[str], after: State) -> None:
        self.accounts = accounts
        self.after = after
        self.arns = {thing.arn for thing in after.values() if thing.kind in NOUNS}

    def is_missing(self, arn: str, *kinds: str) -> bool:
        """Return whether an entity in an account of the file is missing."""
        parts = Arn.find(arn)
        if parts is None or parts.service != "iam" or parts.account not in self.accounts:
            return False
        return parts.resource.partition("/")[0] in kinds and arn not in self.arns


def _with_path(thing: Thing, present: State) -> Thing:
    """Return an entity with its stored path if the file omits the path."""
    found = present.get(thing.key)
    if found is None or "path" in thing.attributes or "path" not in found.attributes:
        return thing
    return replace(thing, attributes={**thing.attributes, "path": found.attributes["path"]})


def _broken(thing: Thing, known: _Known) -> Iterator[tuple[str, str]]:
    attributes: Mapping[str, Any] = thing.attributes
    unit = attributes.get("unit", "/")
    if unit != "/" and "" in known.accounts and ("", "unit", unit.lower()) not in known.after:
        yield "unit", f"the unit {unit} does not exist, and the file does not create it"
    for name in attributes.get("groups", ()):
        if (thing.account, "group", name.lower()) not in known.after:
            yield "groups", f"the group {name} does not exist in {thing.account}, and the file does not create it"
    for arn in attributes.get("policies", ()):
        if known.is_missing(arn, "policy"):
            yield "policies", f"the policy {arn} does not exist, and the file does not create it"
    boundary = attributes.get("boundary", "")
    if boundary and known.is_missing(boundary, "policy"):
        yield "boundary", f"the policy {boundary} does not exist, and the file does not create it"
    for attribute, noun in (("trust", "trust policy"), ("policy", "bucket policy")):
        for text in _missing_principals(thing, attributes.get(attribute) or {}, known):
            yield attribute, f"the {noun} names {text}, which does not exist, and the file does not create it"


def _missing_principals(thing: Thing, policy: Mapping[str, Any], known: _Known) -> Iterator[str]:
    for kind, text in sorted(principals_of(policy)):
        if text not in thing.unresolved and known.is_missing(text, *_TRUSTED.get(kind, ())):
            yield text
