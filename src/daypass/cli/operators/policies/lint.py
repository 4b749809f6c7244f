"""`daypass lint`: warn about likely mistakes in a valid policy.

The command needs neither store nor server. policy/language/lint.py owns the rules.
"""

from typing import BinaryIO

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import output_option, print_json
from daypass.errors import MalformedPolicyDocument
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.language.document_text import MAX_TEXT
from daypass.policy.language.lint import LintWarning, lint

_KINDS = {kind.value.replace(" ", "-"): kind for kind in DocumentKind}
_MOST_BYTES = 4 * MAX_TEXT


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

    Exits with 4 if IAM would reject the policy, and with 0 if there are only warnings.
    """
    warnings = _warnings(policy.read(_MOST_BYTES), kind)
    if output == "json":
        print_json({"Warnings": [{"Path": one.path, "Rule": one.rule, "Message": one.message} for one in warnings]})
        return
    for one in warnings:
        click.echo(f"{one.path}: {one.message} ({one.rule})")
    if not warnings:
        click.echo("No warnings.")


def _warnings(content: bytes, kind: str) -> tuple[LintWarning, ...]:
    try:
        return lint(parse_document(content.decode(), _KINDS[kind]))
    except UnicodeDecodeError as error:
        raise CommandError("The policy is not valid UTF-8.", Exit.USAGE) from error
    except MalformedPolicyDocument as problem:
        place = f" ({problem.detail})" if problem.detail and problem.detail not in problem.message else ""
        raise CommandError(f"{problem.message}{place}", Exit.REFUSED) from problem
