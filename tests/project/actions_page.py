"""Write docs/actions.md: the implemented actions of STS and IAM, and the refused ones with the reason.

Owns the page's form. Its content comes from the registry of operations and from the tables of refusals.
`.venv/bin/python -m tests.project.actions_page` writes the page.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from daypass.operations.declared import IGNORED_MEMBERS, REFUSED_MEMBERS, Member
from daypass.operations.iam import unsupported_actions
from daypass.operations.iam.table import OPERATIONS as IAM
from daypass.operations.operation import NEEDS_NO_PERMISSION, AnyOperation
from daypass.operations.sts.table import OPERATIONS as STS

PAGE = Path(__file__).parents[2] / "docs" / "actions.md"

_HEAD = """\
# Implemented actions

This page lists every action in AWS's models of STS (2011-06-15) and IAM (2010-05-08): Daypass implements it, or refuses
it with the reason. For example, `aws iam create-user` calls `CreateUser`. The page is generated
from the server's own tables: `.venv/bin/python -m tests.project.generated_pages`.
"""

_REFUSING = """\
If a request has a parameter that the action does not read, the request is refused with `ValidationError` (400) and has
no effect: a restriction in a request is never ignored. This includes parameters that AWS added after this release.
Only the parameters of a signature, such as `X-Amz-Date`, may always be sent. Actions that are refused as a whole, or
that return an empty list, accept every parameter of AWS's models."""


def page() -> str:
    """Return the content of docs/actions.md."""
    return "\n".join((_HEAD, *_sts(), "", *_iam(), "", *_members(), "", *_refusals()))


def _sts() -> Iterator[str]:
    yield f"## STS: {len(STS)} implemented actions"
    yield ""
    yield "| action | called with | permission |"
    yield "| --- | --- | --- |"
    for operation in sorted(STS, key=_name):
        name = f"sts:{operation.action}"
        signed = "a signature" if operation.signed else "an assertion or a token"
        yield f"| `{operation.action}` | {signed} | {_permission(name)} |"


def _permission(name: str) -> str:
    return "not needed; a policy cannot deny it" if name in NEEDS_NO_PERMISSION else f"`{name}`"


def _iam() -> Iterator[str]:
    performed = [operation for operation in IAM if not isinstance(operation, unsupported_actions.Unperformed)]
    yield f"## IAM: {len(performed)} implemented actions"
    yield ""
    yield "Each needs the permission of its name, such as `iam:CreateUser`; some need `iam:PassRole` too, as on AWS."
    yield ""
    yield "| topic | actions |"
    yield "| --- | --- |"
    by_file = groupby(sorted(performed, key=_file), key=_file)
    yield from (f"| {about.replace('_', ' ')} | {_listed(map(_name, group))} |" for about, group in by_file)


def _members() -> Iterator[str]:
    yield "## Refused parameters"
    yield ""
    yield _REFUSING
    if REFUSED_MEMBERS:
        yield "All others refuse these:"
        yield ""
        yield from _table(REFUSED_MEMBERS)
    else:
        yield "All others read every parameter of these models, with the exceptions below."
    yield ""
    yield "These are accepted without effect:"
    yield ""
    yield from _table(IGNORED_MEMBERS)


def _table(members: Mapping[Member, str]) -> Iterator[str]:
    yield "| action | parameter | reason |"
    yield "| --- | --- | --- |"
    for (service, action, path), why in sorted(members.items()):
        yield f"| `{service}:{action}` | `{path}` | {why} |"


def _refusals() -> Iterator[str]:
    yield "## IAM: actions that are not implemented"
    yield ""
    yield "These are authorized like any other call, and then return an error with the reason."
    yield ""
    yield "| reason | refused (`NotSupportedService`) | not found (`NoSuchEntity`) |"
    yield "| --- | --- | --- |"
    absent = {action: reason for action, (_, reason) in unsupported_actions.ABSENT.items()}
    for reason in sorted({*unsupported_actions.REFUSED.values(), *absent.values()}):
        yield f"| {reason} | {_because(unsupported_actions.REFUSED, reason)} | {_because(absent, reason)} |"
    yield ""
    yield f"These return an empty list: {_listed(unsupported_actions.EMPTY)}."
    yield ""


def _because(reasons: Mapping[str, str], reason: str) -> str:
    return _listed(action for action, given in reasons.items() if given == reason)


def _listed(actions: Iterable[str]) -> str:
    return ", ".join(f"`{action}`" for action in sorted(actions))


def _name(operation: AnyOperation) -> str:
    return operation.action


def _file(operation: AnyOperation) -> str:
    return type(operation).__module__.rpartition(".")[2]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
