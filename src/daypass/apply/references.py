"""Whether everything that a file refers to will exist: groups, policies, and the users and roles of trust policies.

Pure. Owns the check before anything is done, so that the complaint names the line. What lies outside of the accounts
that the file names (AWS's policies, other accounts) is judged by the API itself, inside the transaction.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from daypass.apply.desired import Desired
from daypass.apply.nodes import Mistake
from daypass.apply.plan import Plan, Verb
from daypass.apply.state import State, Thing
from daypass.arn import Arn, iam_arn
from daypass.directory.strangers import principals_of


def check_references(desired: Desired, present: State, plan: Plan) -> None:
    """Refuse a file that refers to what will not be there. Raises Mistake."""
    gone = {change.thing.key for change in plan.of(Verb.DELETE)}
    after = {key: thing for key, thing in present.items() if key not in gone} | dict(desired.state)
    paths = {key: _path(key, desired, present) for key in after}
    known = _Known(frozenset(desired.accounts), after, paths)
    for thing in desired.state.values():
        for attribute, words in _broken(thing, known):
            raise Mistake(thing.place_of(attribute), words)


class _Known:
    """What will be there."""

    def __init__(self, accounts: frozenset[str], after: State, paths: Mapping[tuple[str, str, str], str]) -> None:
        self.accounts = accounts
        self.after = after
        self.arns = {
            iam_arn(account, kind, paths[account, kind, name], thing.name)
            for (account, kind, name), thing in after.items()
            if kind != "account"
        }

    def is_missing(self, arn: str, *kinds: str) -> bool:
        """Tell whether an ARN names one of these kinds of thing in an account of the file, and there is none such."""
        parts = Arn.find(arn)
        if parts is None or parts.service != "iam" or parts.account not in self.accounts:
            return False
        return parts.resource.partition("/")[0] in kinds and arn not in self.arns


def _path(key: tuple[str, str, str], desired: Desired, present: State) -> str:
    wanted, found = desired.state.get(key), present.get(key)
    if wanted is not None and (found is None or "path" in wanted.attributes):
        return str(wanted.value("path")) if wanted.kind != "account" else ""
    return str(found.attributes.get("path", "")) if found is not None else ""


def _broken(thing: Thing, known: _Known) -> Iterator[tuple[str, str]]:
    attributes: Mapping[str, Any] = thing.attributes
    for name in attributes.get("groups", ()):
        if (thing.account, "group", name.lower()) not in known.after:
            yield "groups", f"there is no group {name} in account {thing.account}, and the file makes none"
    for arn in attributes.get("policies", ()):
        if known.is_missing(arn, "policy"):
            yield "policies", f"there is no policy {arn}, and the file makes none"
    boundary = attributes.get("boundary", "")
    if boundary and known.is_missing(boundary, "policy"):
        yield "boundary", f"there is no policy {boundary}, and the file makes none"
    for kind, text in sorted(principals_of(attributes.get("trust", {}))):
        if kind == "AWS" and text not in thing.strangers and known.is_missing(text, "user", "role"):
            yield "trust", f"the trust policy names {text}, which is not there, and the file does not make it"
