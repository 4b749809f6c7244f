"""The report of `daypass saml inspect`, for people and as JSON.

Owns how it looks. What is checked and said is federation/saml/inspect.py's.
"""

from collections.abc import Iterator
from typing import Any

import click

from daypass.federation.saml.attributes import find_role_pair
from daypass.federation.saml.inspect import Outcome, Report
from daypass.federation.saml.statement import Statement

_MARKS = {Outcome.PASS: ("ok  ", "green"), Outcome.FAIL: ("FAIL", "red"), Outcome.SKIP: ("-   ", "yellow")}


def is_failed(report: Report) -> bool:
    """Tell whether a check went wrong."""
    return any(finding.outcome is Outcome.FAIL for finding in report.findings)


def print_report(report: Report, provider: str | None, server: str) -> None:
    """Print the report check by check, then what the response says, then the verdict."""
    for finding in report.findings:
        mark, colour = _MARKS[finding.outcome]
        click.echo(f"{click.style(mark, fg=colour)}  {finding.name}")
        lines = (("STS says", finding.answer), ("why", finding.why), ("do", finding.hint))
        for label, text in lines:
            if text:
                click.echo(f"      {label + ':':<10}{_printable(text)}")
    if report.unverified_statement is not None:
        click.echo("\nThe response says:")
        for name, value in _sayings(report.unverified_statement):
            click.echo(f"      {name + ':':<17}{_printable(value)}")
    click.echo(f"\nServer:   {server} (--public-url)")
    click.echo(f"Provider: {provider or 'none named; use --metadata FILE, or --store and --provider'}")
    if provider is None:
        click.echo("No verdict without a provider: nobody verified a signature.")
    elif report.refusal is None:
        click.echo("STS would take this response. Whether a role's trust policy lets it in is asked then.")
    else:
        click.echo(f"STS would refuse this response: {_printable(report.refusal)}")


def as_document(report: Report, provider: str | None, server: str) -> dict[str, Any]:
    """Return the report as one JSON document."""
    verdict = "unknown" if provider is None else "accepted" if report.refusal is None else "refused"
    statement = report.unverified_statement
    return {
        "Verdict": verdict,
        "Answer": report.refusal,
        "Provider": provider,
        "Server": server,
        "Checks": [
            {
                "Name": finding.name,
                "Outcome": finding.outcome.value,
                "Answer": finding.answer or None,
                "Why": finding.why or None,
                "Hint": finding.hint or None,
            }
            for finding in report.findings
        ],
        "UnverifiedStatement": None if statement is None else _as_members(statement),
    }


def _sayings(statement: Statement) -> Iterator[tuple[str, str]]:
    yield "Issuer", statement.issuer
    yield "Issued", statement.issued.isoformat()
    yield "Subject", f"{statement.subject.value} ({statement.subject.format})"
    yield "Recipient", statement.confirmation.recipient
    yield "Audience", ", ".join(name for names in statement.conditions.audiences for name in names)
    for attribute in statement.attributes:
        for value in attribute.values:
            yield attribute.name.rpartition("/")[2], "(no plain text)" if value is None else value


def _as_members(statement: Statement) -> dict[str, Any]:
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


def _printable(text: str) -> str:
    """Return a text that cannot move a terminal's cursor or change its colours."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
