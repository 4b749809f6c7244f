"""The report of `daypass token inspect`, for people and as JSON.

Owns how it looks. What is checked and said is federation/oidc/inspect.py's.
"""

import json
from collections.abc import Mapping
from typing import Any

import click

from daypass.federation.oidc.inspect import Outcome, Report

_MARKS = {Outcome.PASSED: ("ok  ", "green"), Outcome.FAILED: ("FAIL", "red"), Outcome.SKIPPED: ("-   ", "yellow")}
_HEADINGS = (("The token's header, as it was sent:", "unverified_header"), ("Its claims:", "unverified_claims"))


def is_failed(report: Report) -> bool:
    """Tell whether a check went wrong."""
    return any(check.outcome is Outcome.FAILED for check in report.checks)


def print_report(report: Report, provider: str | None, keys: str) -> None:
    """Print the report check by check, then what the token says, then the condition keys and the verdict.

    `keys` says where the issuer's keys came from, or why there are none.
    """
    for check in report.checks:
        mark, colour = _MARKS[check.outcome]
        click.echo(f"{click.style(mark, fg=colour)}  {check.name}")
        answer = f"{check.code}: {check.message}" if check.code else ""
        for label, text in (("STS says", answer), ("why", check.why), ("do", check.hint)):
            if text:
                click.echo(f"      {label + ':':<10}{_printable(text)}")
    for heading, name in _HEADINGS:
        members: Mapping[str, Any] = getattr(report, name)
        if members:
            click.echo(f"\n{heading}")
            _print_members({member: json.dumps(value, ensure_ascii=False) for member, value in members.items()})
    if report.condition_keys:
        click.echo("\nCondition keys for the role's trust policy:")
        _print_members({key: json.dumps(value, ensure_ascii=False) for key, value in report.condition_keys.items()})
    click.echo(f"\nProvider: {provider or 'none that believes this issuer; use --store, --account or --audience'}")
    click.echo(f"Keys:     {_printable(keys)}")
    click.echo(_VERDICTS[verdict(report)])


_VERDICTS = {
    "accepted": "STS would take this token. Whether a role's trust policy lets it in is asked then.",
    "refused": "STS would refuse this token.",
    "unknown": "No verdict: not every check could be made.",
}


def verdict(report: Report) -> str:
    """Return `accepted`, `refused`, or `unknown` where something could not be checked."""
    if report.is_accepted:
        return "accepted"
    return "refused" if is_failed(report) else "unknown"


def as_document(report: Report, provider: str | None, keys: str) -> dict[str, Any]:
    """Return the report as one JSON document."""
    return {
        "Verdict": verdict(report),
        "Provider": provider,
        "Keys": keys,
        "Checks": [
            {
                "Name": check.name,
                "Outcome": check.outcome.value,
                "Code": check.code or None,
                "Message": check.message or None,
                "Why": check.why or None,
                "Hint": check.hint or None,
            }
            for check in report.checks
        ],
        "UnverifiedHeader": dict(report.unverified_header),
        "UnverifiedClaims": dict(report.unverified_claims),
        "ConditionKeys": dict(report.condition_keys),
    }


def _print_members(members: Mapping[str, str]) -> None:
    for name, value in members.items():
        click.echo(f"      {_printable(name)}: {_printable(value)}")


def _printable(text: str) -> str:
    """Return a text that cannot move a terminal's cursor or change its colours."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
