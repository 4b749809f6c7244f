"""The report on a SAML response or a web identity token.

It has a row for each check, and the answer of STS. saml/inspect.py and oidc/inspect.py make the checks;
cli/shared/report.py prints the report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from daypass.federation.oidc.extra_claims import Value
    from daypass.federation.saml.assertion import ParsedAssertion


class CheckOutcome(Enum):
    """The outcome of one check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of a report.

    STS would answer with `code` and `message`; `why` is the exact reason, `hint` the remedy.
    """

    name: str
    outcome: CheckOutcome
    code: str = ""
    message: str = ""
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class InspectionReport:
    """The report on a response or token.

    `code` and `message` are empty if STS would accept it; a report without a verdict has no code. An attacker may have
    invented the `unverified_*` values.
    """

    subject: Literal["response", "token"]
    checks: tuple[CheckResult, ...]
    verdict: Literal["accepted", "refused", "unknown"]
    code: str = ""
    message: str = ""
    unverified_statement: "ParsedAssertion | None" = None
    unverified_header: Mapping[str, Any] = field(default_factory=dict)
    unverified_claims: Mapping[str, Any] = field(default_factory=dict)
    condition_keys: "Mapping[str, Value]" = field(default_factory=dict)
    # The session tags of an accepted response or token.
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Return the checks that failed."""
        return tuple(check for check in self.checks if check.outcome is CheckOutcome.FAILED)
