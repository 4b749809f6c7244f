"""The result of a check: damage by name, with its remedy. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

CHECKS = ("database", "records", "secrets", "references", "policies", "links", "counts")
MOST_FINDINGS = 1_000  # of a check that are kept; all are counted


@dataclass(frozen=True, slots=True)
class Finding:
    """One damaged part.

    `subject` is an ARN, or the kind and names of a record.
    """

    check: str
    subject: str
    why: str
    hint: str


@dataclass(slots=True)
class Findings:
    """The damage that was found, bounded, and the numbers by check."""

    kept: list[Finding] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHECKS, 0))

    def add(self, check: str, subject: str, why: str, hint: str) -> None:
        """Note one damaged part."""
        self.numbers[check] += 1
        if self.numbers[check] <= MOST_FINDINGS:
            self.kept.append(Finding(check, subject, why, hint))

    def of(self, check: str) -> Sequence[Finding]:
        """Return the kept findings of a check."""
        return [finding for finding in self.kept if finding.check == check]
