"""Run `daypass gateway check`.

Owns the report for people and as JSON, and the exit code. gateway/stores/check.py owns the checks.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.logs import log_to_standard_error
from daypass.cli.shared.store_options import print_json, read_config
from daypass.config import ConfigurationError
from daypass.gateway.settings import check, load_settings
from daypass.gateway.stores.check import UNAVAILABLE, FindingOutcome, StoreFinding, StoreReport
from daypass.gateway.stores.profiles import GENERAL, PROFILES, UNKNOWN
from daypass.wiring_gateway import check_stores, open_backends

_MARKS = {
    FindingOutcome.PASSED: ("ok  ", "green"),
    FindingOutcome.FAILED: ("FAIL", "red"),
    FindingOutcome.SKIPPED: ("-   ", "yellow"),
}


def check_command(flags: dict[str, str | None], config_file: Path | None, output: str) -> Exit:
    """Check every backend, print the report, and return the exit code."""
    log_to_standard_error()
    config = read_config({}, config_file)
    try:
        toml = None if config_file is None else config_file.read_text(encoding="utf-8")
        settings = load_settings(flags, os.environ, toml)
        check(settings, config)
        backends = open_backends(settings)
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    if not backends.by_name:
        raise CommandError("there is no store to check: give --backend and --backend-key-file", Exit.CONFIGURATION)
    reports = [*check_stores(backends)]
    if output == "json":
        print_json(as_document(reports))
    else:
        for report in reports:
            _print(report)
    return Exit.CONFIGURATION if any(report.failure for report in reports) else Exit.OK


def as_document(reports: Sequence[StoreReport]) -> dict[str, Any]:
    """Return the report as one JSON document."""
    failure = next((report.failure for report in reports if report.failure), None)
    return {
        "Outcome": "refused" if failure else "accepted",
        "Code": failure.code if failure else None,
        "Message": failure.message if failure else None,
        "Checks": [
            {
                "Name": finding.name,
                "Backend": report.backend,
                "Profile": report.profile,
                "Outcome": finding.outcome.value,
                "Code": finding.code or None,
                "Message": finding.message or None,
            }
            for report in reports
            for finding in report.findings
        ],
        # The profile for each store: an empty name for a start without --profile, null if no profile is safe.
        "Profiles": {report.backend: _safe_name(report) for report in reports},
    }


def _print(report: StoreReport) -> None:
    click.echo(f"backend {report.backend}, profile {report.profile}")
    for finding in report.findings:
        _print_finding(finding)
    for line in _advice(report):
        click.echo(line)


def _advice(report: StoreReport) -> Iterator[str]:
    """Yield what the operator should do with the store."""
    failure, name = report.failure, _safe_name(report)
    if failure is not None and failure.code == UNAVAILABLE:
        yield "The store was not checked. Start it, or correct its URL and its key file."
        return
    if failure is None:
        yield "The store behaves as the profile says."
    else:
        yield f"The gateway must not use this store with the profile {report.profile}."
    if name is None:
        yield "No profile is safe for this store: a caller could use its keys or its uploads to pass a policy."
    else:
        yield f"Start the gateway with --profile {name}." if name else "Start the gateway without --profile."
    if report.safe in GENERAL:
        yield f"If the store is one of these, check that profile too, because it has more operations: {_kinds()}."


def _kinds() -> str:
    general = {profile.name for profile in GENERAL}
    return ", ".join(sorted(PROFILES.keys() - general))


def _safe_name(report: StoreReport) -> str | None:
    if report.safe is None:
        return None
    return "" if report.safe is UNKNOWN else report.safe.name


def _print_finding(finding: StoreFinding) -> None:
    mark, colour = _MARKS[finding.outcome]
    click.echo(f"{click.style(mark, fg=colour)}  {finding.name}")
    if finding.message:
        click.echo(f"      {finding.message}")
