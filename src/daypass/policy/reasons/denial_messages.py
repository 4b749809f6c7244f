"""AWS's message for a denial.

Owns the end of "User: … is not authorized to perform: …". Source: IAM User Guide, "Troubleshoot access denied error
messages".
"""

from collections.abc import Mapping
from types import MappingProxyType

from daypass.policy.decision import TOO_MUCH_WORK, Denied
from daypass.policy.source import PolicyType

_EXPLICIT: Mapping[PolicyType, str] = MappingProxyType(
    {
        PolicyType.IDENTITY: "an identity-based policy",
        PolicyType.BOUNDARY: "a permissions boundary",
        PolicyType.SESSION: "a session policy",
        PolicyType.SERVICE_CONTROL: "a service control policy",
        PolicyType.RESOURCE_CONTROL: "a resource control policy",
        PolicyType.RESOURCE: "a resource-based policy",
    }
)


def because(denied: Denied) -> str:
    """Return the part of the message with the reason."""
    if denied.failure == TOO_MUCH_WORK:
        return "because the policies that apply have too many patterns to be compared with a request of this length"
    is_trust = denied.trust and denied.by is PolicyType.RESOURCE
    if denied.explicit:
        return f"with an explicit deny in {'the role trust policy' if is_trust else _EXPLICIT[denied.by]}"
    lacking = "role trust policy" if is_trust else denied.by.value
    return f"because no {lacking} allows the {denied.action} action"
