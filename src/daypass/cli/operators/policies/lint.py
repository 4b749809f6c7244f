"""`daypass lint`: warn about likely mistakes in a valid policy.

The command needs neither store nor server. policy/language/lint.py owns the rules, apply_policies.py finds the policies
of a configuration file. A policy that would not be saved is refused in the words of the actions that save it.
"""

from collections.abc import Callable, Mapping
from typing import BinaryIO

import click

from daypass.apply.file.file_parser import MAX_BYTES
from daypass.apply.file.nodes import ApplyFileError
from daypass.cli.operators.policies.apply_policies import PlacedPolicy, find_policies
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import output_option, print_json
from daypass.errors import MalformedPolicyDocument
from daypass.operations.iam.policies.policy_documents import check_inline, check_trust
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.language.document_text import MAX_TEXT
from daypass.policy.language.lint import LintWarning, lint
from daypass.policy.language.saved_documents import parse_new_document

_KINDS = {kind.value.replace(" ", "-"): kind for kind in DocumentKind}
_MOST_BYTES = 4 * MAX_TEXT
# IAM's checks before it saves a document; other kinds have only those of the language.
_CHECKS: Mapping[DocumentKind, Callable[[str], object]] = {
    DocumentKind.IDENTITY: check_inline,
    DocumentKind.TRUST: check_trust,
}
_SYNTAX = "Syntax errors in policy."


@click.command()
@click.argument("policy", metavar="FILE", type=click.File("rb"))
@click.option(
    "--kind",
    type=click.Choice(sorted(_KINDS)),
    default="identity",
    show_default=True,
    help="The kind of policy, which decides which elements are allowed.",
)
@output_option
def command(policy: BinaryIO, kind: str, output: str) -> None:
    """Check the policy in FILE (- reads standard input) for likely mistakes.

    FILE may be a configuration file of `daypass apply` too: each policy in it is checked, with its place, and --kind
    does not matter. Exits with 4 if IAM would reject a policy, and with 0 if there are only warnings.
    """
    content = policy.read(MAX_BYTES + 1)
    try:
        found = find_policies(content)
    except ApplyFileError as problem:
        raise CommandError(f"The configuration file cannot be parsed: {problem}.", Exit.USAGE) from problem
    refusals: list[str] = []
    if found is None:
        warnings = _warnings(content[:_MOST_BYTES], _KINDS[kind])
    else:
        warnings, refusals = _of_file(found)
    if output == "json":
        print_json({"Warnings": [{"Path": one.path, "Rule": one.rule, "Message": one.message} for one in warnings]})
    else:
        for one in warnings:
            click.echo(f"{one.path}: {one.message} ({one.rule})")
        if not warnings and not refusals:
            click.echo("No warnings.")
    if refusals:
        raise CommandError("\n".join(refusals), Exit.REFUSED)


def _of_file(found: tuple[PlacedPolicy, ...]) -> tuple[tuple[LintWarning, ...], list[str]]:
    """Return the warnings and the refusals of all policies of a file."""
    warnings: list[LintWarning] = []
    refusals: list[str] = []
    for each in found:
        try:
            own = _warnings(each.text.encode("utf-8", "replace"), each.kind)
        except CommandError as problem:
            refusals.append(f"{each.place}: {problem.message}")
        else:
            warnings += [LintWarning(f"{each.place} {one.path}", one.rule, one.message) for one in own]
    return tuple(warnings), refusals


def _warnings(content: bytes, kind: DocumentKind) -> tuple[LintWarning, ...]:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CommandError("The policy is not valid UTF-8.", Exit.USAGE) from error
    try:
        _check(text, kind)
        return lint(parse_document(text, kind))
    except MalformedPolicyDocument as problem:
        place = f" ({problem.detail})" if problem.detail and problem.detail not in problem.message else ""
        raise CommandError(f"{problem.message}{place}", Exit.REFUSED) from problem


def _check(text: str, kind: DocumentKind) -> None:
    """Refuse a policy in the words of IAM, and say more where these do not name the fault."""
    try:
        if kind in _CHECKS:
            _CHECKS[kind](text)
        else:
            parse_new_document(text, kind)
    except MalformedPolicyDocument as problem:
        raise _fuller(problem, text, kind) from problem


def _fuller(refusal: MalformedPolicyDocument, text: str, kind: DocumentKind) -> MalformedPolicyDocument:
    """Return a refusal that says more than "Syntax errors in policy.", if there is one."""
    if refusal.message != _SYNTAX:
        return refusal
    try:
        parse_document(text, kind)
    except MalformedPolicyDocument as problem:
        return problem if problem.message.startswith(_SYNTAX) else refusal
    return refusal
