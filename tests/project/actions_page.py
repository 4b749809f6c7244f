"""Write docs/actions.md: which actions of STS and IAM are performed, and which are refused for what reason.

Owns the page's form. What it says comes from the registry of operations and from the table of refusals.
`.venv/bin/python -m tests.project.actions_page` writes the page anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from daypass.operations.iam import refusals
from daypass.operations.iam.table import OPERATIONS as IAM
from daypass.operations.operation import NEEDS_NO_PERMISSION, AnyOperation
from daypass.operations.sts.table import OPERATIONS as STS

PAGE = Path(__file__).parents[2] / "docs" / "actions.md"

_HEAD = """\
# Which actions are performed

Every action in AWS's models of STS (2011-06-15) and IAM (2010-05-08) is answered: performed, or refused with
the reason. This page is generated from the server's own tables: `.venv/bin/python -m tests.project.actions_page`.
"""


def page() -> str:
    """Return the text of docs/actions.md."""
    return "\n".join((_HEAD, *_sts(), "", *_iam(), "", *_refusals()))


def _sts() -> Iterator[str]:
    yield f"## STS: {len(STS)} actions performed"
    yield ""
    yield "| action | called with | permission |"
    yield "| --- | --- | --- |"
    for operation in sorted(STS, key=_name):
        name = f"sts:{operation.action}"
        signed = "a signature" if operation.signed else "an assertion or a token"
        yield f"| `{operation.action}` | {signed} | {_permission(name)} |"


def _permission(name: str) -> str:
    return "none is needed, and no policy denies it" if name in NEEDS_NO_PERMISSION else f"`{name}`"


def _iam() -> Iterator[str]:
    performed = [operation for operation in IAM if not isinstance(operation, refusals.Unperformed)]
    yield f"## IAM: {len(performed)} actions performed"
    yield ""
    yield "Each needs the permission of its name, such as `iam:CreateUser`; some ask for `iam:PassRole` too, as on AWS."
    yield ""
    yield "| about | actions |"
    yield "| --- | --- |"
    by_file = groupby(sorted(performed, key=_file), key=_file)
    yield from (f"| {about.replace('_', ' ')} | {_listed(map(_name, group))} |" for about, group in by_file)


def _refusals() -> Iterator[str]:
    yield "## IAM: what there is no place for here"
    yield ""
    yield "These are authorized like any other call, and then answered with the reason."
    yield ""
    yield "| why | refused (`NotSupportedService`) | not found (`NoSuchEntity`) |"
    yield "| --- | --- | --- |"
    absent = {action: reason for action, (_, reason) in refusals.ABSENT.items()}
    for reason in sorted({*refusals.REFUSED.values(), *absent.values()}):
        yield f"| {reason} | {_because(refusals.REFUSED, reason)} | {_because(absent, reason)} |"
    yield ""
    yield f"These answer the truth, an empty list: {_listed(refusals.EMPTY)}."
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
