"""Check that the session tags of an inspected proof fit into a session.

STS refuses a session whose tags take too much space, after it accepted the proof of identity. federation/ owns the
other checks of an inspection.
"""

from dataclasses import replace

from daypass.errors import PackedPolicyTooLarge
from daypass.federation.report import CheckOutcome, CheckResult, InspectionReport
from daypass.operations.sts.session_policies import SessionPolicies, packed_percentage

_NAME = "session tags"
_HINT = "Let the identity provider send fewer or shorter session tags."


def check_tags(report: InspectionReport) -> InspectionReport:
    """Return the report with the check of the session tags, if there are any.

    A session policy takes space too, and is not known here.
    """
    if report.verdict != "accepted" or not report.tags:
        return report
    try:
        packed_percentage(SessionPolicies(), report.tags)
    except PackedPolicyTooLarge as fault:
        failed = CheckResult(_NAME, CheckOutcome.FAILED, fault.code, fault.message, fault.detail, _HINT)
        return replace(
            report, checks=(*report.checks, failed), verdict="refused", code=fault.code, message=fault.message
        )
    return replace(report, checks=(*report.checks, CheckResult(_NAME, CheckOutcome.PASSED)))
