"""The report of `daypass saml inspect` and `daypass token inspect`.

Owns its layout, its JSON document (docs/inspect.md) and the exit code. federation/saml/inspect.py and
federation/oidc/inspect.py own the checks and their results.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from daypass.cli.shared.exit_codes import Exit
from daypass.cli.shared.store_options import print_json
from daypass.client.text_format import visible
from daypass.federation.report import CheckOutcome, CheckResult, InspectionReport
from daypass.federation.saml.assertion import ParsedAssertion
from daypass.federation.saml.attributes import find_role_pair

_MARKS = {
    CheckOutcome.PASSED: ("ok  ", "green"),
    CheckOutcome.FAILED: ("FAIL", "red"),
    CheckOutcome.SKIPPED: ("-   ", "yellow"),
}
# Printed instead of the provider, and instead of the verdict.
_UNKNOWN = {
    "response": (
        "unknown; use --metadata FILE, or --store and --provider",
        "No verdict: without a provider the signature cannot be verified.",
    ),
    "token": (
        "no provider for this issuer; use --store, --account or --audience",
        "No verdict: some checks could not be run.",
    ),
}


def show_report(
    report: InspectionReport, provider: str | None, output: str, *, server: str | None = None, keys: str | None = None
) -> Exit:
    """Print the report, and return the exit code of the command.

    `server` is the public URL that the response was checked against; `keys` is the origin of the issuer's keys.
    """
    if output == "json":
        print_json(_as_document(report, provider, server, keys))
    else:
        _print_report(report, provider, server, keys)
    if report.failed or report.verdict == "refused":
        return Exit.EXPIRED
    return Exit.OK if report.verdict == "accepted" else Exit.CONFIGURATION


def _as_document(
    report: InspectionReport, provider: str | None, server: str | None, keys: str | None
) -> dict[str, Any]:
    statement = report.unverified_statement
    return {
        "Outcome": report.verdict,
        "Verdict": report.verdict,
        **_answer_members(report),
        "Provider": provider,
        "Server": server,
        "Keys": keys,
        "Checks": [
            {
                "Name": check.name,
                "Outcome": check.outcome.value,
                **_answer_members(check),
                "Why": check.why or None,
                "Hint": check.hint or None,
            }
            for check in report.checks
        ],
        "UnverifiedStatement": None if statement is None else _as_members(statement),
        "UnverifiedHeader": dict(report.unverified_header),
        "UnverifiedClaims": dict(report.unverified_claims),
        "ConditionKeys": dict(report.condition_keys),
    }


def _answer_members(found: InspectionReport | CheckResult) -> dict[str, str | None]:
    return {"Code": found.code or None, "Message": found.message or None, "Answer": _answer(found) or None}


def _answer(found: InspectionReport | CheckResult) -> str:
    return f"{found.code}: {found.message}" if found.code else found.message


def _as_members(statement: ParsedAssertion) -> dict[str, Any]:
    values = [value for attribute in statement.attributes for value in attribute.values]
    return {
        "Id": statement.identifier,
        "Issuer": statement.issuer,
        "IssueInstant": statement.issued.isoformat(),
        "Subject": statement.subject.value,
        "SubjectFormat": statement.subject.format,
        "Recipient": statement.confirmation.recipient,
        "Audiences": [list(names) for names in statement.conditions.audiences],
        "Roles": [
            {"RoleArn": pair.role, "PrincipalArn": pair.provider}
            for pair in map(find_role_pair, values)
            if pair is not None
        ],
        "Attributes": {attribute.name: list(attribute.values) for attribute in statement.attributes},
    }


def _print_report(report: InspectionReport, provider: str | None, server: str | None, keys: str | None) -> None:
    for check in report.checks:
        _print_check(check)
    if report.unverified_statement is not None:
        click.echo("\nContent of the response (unverified):")
        for name, value in _sayings(report.unverified_statement):
            click.echo(f"      {name + ':':<17}{visible(value)}")
    _print_members("Header of the token (unverified):", report.unverified_header)
    _print_members("Claims of the token (unverified):", report.unverified_claims)
    _print_members("Condition keys for the role's trust policy:", report.condition_keys)
    no_provider, no_verdict = _UNKNOWN[report.subject]
    click.echo()
    if server is not None:
        click.echo(f"Server:   {server} (--public-url)")
    click.echo(f"Provider: {provider or no_provider}")
    if keys is not None:
        click.echo(f"Keys:     {visible(keys)}")
    if report.verdict == "accepted":
        click.echo(f"STS would accept this {report.subject}. The role's trust policy must also allow it.")
    elif report.verdict == "refused":
        click.echo(f"STS would reject this {report.subject}: {visible(_answer(report))}")
    else:
        click.echo(no_verdict)


def _print_check(check: CheckResult) -> None:
    mark, colour = _MARKS[check.outcome]
    click.echo(f"{click.style(mark, fg=colour)}  {check.name}")
    for label, text in (("STS says", _answer(check)), ("why", check.why), ("do", check.hint)):
        if text:
            click.echo(f"      {label + ':':<10}{visible(text)}")


def _sayings(statement: ParsedAssertion) -> Iterator[tuple[str, str]]:
    yield "Issuer", statement.issuer
    yield "Issued", statement.issued.isoformat()
    yield "Subject", f"{statement.subject.value} ({statement.subject.format})"
    yield "Recipient", statement.confirmation.recipient
    yield "Audience", ", ".join(name for names in statement.conditions.audiences for name in names)
    for attribute in statement.attributes:
        for value in attribute.values:
            yield attribute.name.rpartition("/")[2], "(no plain text)" if value is None else value


def _print_members(heading: str, members: Mapping[str, Any]) -> None:
    if members:
        click.echo(f"\n{heading}")
    for name, value in members.items():
        click.echo(f"      {visible(name)}: {visible(json.dumps(value, ensure_ascii=False))}")
