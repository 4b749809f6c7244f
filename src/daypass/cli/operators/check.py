"""`daypass check`: find damage in a store.

Owns the options and the report, whose JSON document has the members of the inspectors' (docs/inspect.md). Leaves the
checks to integrity/.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.shared.exit_codes import Exit
from daypass.cli.shared.progress import shown_progress
from daypass.cli.shared.store_options import (
    operator_options,
    print_json,
    read_config,
    read_keys,
    require_store,
    stopping,
)
from daypass.client.text_format import visible

if TYPE_CHECKING:
    from daypass.integrity.findings import Finding, Findings

_CODE = "StoreDamaged"


@click.command()
@operator_options
def command(*, store: str | None, config_file: Path | None, output: str) -> None:
    """Check that the store is whole.

    It changes nothing, and servers go on running. Every record must be readable, every secret must open, every
    reference must exist and every policy must compile. The exit code is 5 if there is damage.
    """
    from daypass.integrity.check_store import check_opened
    from daypass.wiring_store import open_without_ring

    config = read_config({"store": store}, config_file)
    with stopping(), shown_progress("Checking", "rows") as advance:
        require_store(config.store_url)
        there = open_without_ring(config, read_keys(os.environ))
        try:
            findings = check_opened(there, advance)
        finally:
            there.store.close()
    (_print_document if output == "json" else _print_report)(findings)
    if any(findings.numbers.values()):
        click.get_current_context().exit(Exit.EXPIRED)


def _summary(findings: "Findings") -> str:
    number = sum(findings.numbers.values())
    return (
        f"The store has {number:,} damaged {'part' if number == 1 else 'parts'}." if number else "The store is whole."
    )


def _print_document(findings: "Findings") -> None:
    is_damaged = any(findings.numbers.values())
    checks: list[dict[str, Any]] = []
    for name in findings.numbers:
        found = findings.of(name)
        checks += [_as_members(name, each) for each in found] or [
            {"Name": name, "Outcome": "passed", "Subject": None, "Why": None, "Hint": None}
        ]
    print_json(
        {
            "Outcome": "refused" if is_damaged else "accepted",
            "Code": _CODE if is_damaged else None,
            "Message": _summary(findings),
            "Checks": checks,
        }
    )


def _as_members(name: str, finding: "Finding") -> dict[str, Any]:
    return {
        "Name": name,
        "Outcome": "failed",
        "Subject": finding.subject,
        "Why": finding.why,
        "Hint": finding.hint,
    }


def _print_report(findings: "Findings") -> None:
    for name, number in findings.numbers.items():
        mark = click.style("FAIL", fg="red") if number else click.style("ok  ", fg="green")
        click.echo(f"{mark}  {name}")
        for finding in findings.of(name):
            click.echo(f"      {visible(finding.subject)}")
            click.echo(f"        why: {visible(finding.why)}")
            click.echo(f"        do:  {visible(finding.hint)}")
        if number > len(findings.of(name)):
            click.echo(f"      and {number - len(findings.of(name)):,} more")
    click.echo(f"\n{_summary(findings)}")
