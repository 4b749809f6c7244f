"""Session policies: an inline one and up to ten managed ones.

Owns their limits. The engine evaluates them; a managed policy applies in its current version at each request.
Source: IAM User Guide, "Session policies"; "IAM and AWS STS quotas".
"""

import zlib
from collections.abc import Mapping

import msgspec

from daypass.arn import Arn, account_in_arn
from daypass.directory.identity import find_managed
from daypass.directory.store import Reader
from daypass.errors import (
    InvalidParameterValue,
    MalformedPolicyDocument,
    PackedPolicyTooLarge,
    ValidationError,
)
from daypass.operations.request_context import RequestContext
from daypass.policy.language.document import DocumentKind, parse_document

LONGEST_PLAIN = 2048  # characters, inline and managed together
MOST_MANAGED = 10
_PACKED_BYTES = 1024
_WHOLE = 100


class PolicyArn(msgspec.Struct, frozen=True):
    """One member of PolicyArns."""

    arn: str = ""


class SessionPolicies(msgspec.Struct, frozen=True):
    """The session policies of a request."""

    inline: str = ""
    arns: tuple[str, ...] = ()

    def require_account(self, account: str, ctx: RequestContext) -> None:
        """Verify that the account may use the managed policies.

        Raises a Fault unless each of them exists in `account` or is one of AWS's.
        """
        for arn in self.arns:
            if account_in_arn(arn) not in {account, "aws"}:
                raise MalformedPolicyDocument(f"Policy {arn} does not belong to the account {account}.")
            if ctx.views.get(exists, arn) is False:
                raise MalformedPolicyDocument(f"Policy {arn} does not exist or is not attachable.")


def exists(reader: Reader, arn: str) -> bool:
    """Tell whether a managed policy with this ARN exists."""
    return find_managed(reader, arn) is not None


def read_session_policies(inline: str, managed: tuple[PolicyArn, ...]) -> SessionPolicies:
    """Return the session policies.

    Raises a Fault if they are malformed or too large.
    """
    arns = tuple(policy.arn for policy in managed)
    if not inline and not arns:
        return SessionPolicies()
    if len(arns) > MOST_MANAGED:
        raise InvalidParameterValue(f"No more than {MOST_MANAGED} managed session policies may be passed.")
    if len(set(arns)) != len(arns):
        raise InvalidParameterValue("The same managed session policy was passed twice.")
    for arn in arns:
        parts = Arn.find(arn)
        if parts is None or parts.service != "iam" or not parts.resource.startswith("policy/"):
            raise ValidationError(f"{arn} is invalid")
    # AWS counts the plain strings first, with white space.
    plain = len(inline) + sum(map(len, arns))
    if plain > LONGEST_PLAIN:
        raise PackedPolicyTooLarge(
            f"The session policies are {plain} characters long; {LONGEST_PLAIN} is the limit for inline and "
            "managed session policies together."
        )
    if inline:
        parse_document(inline, DocumentKind.SESSION)
    return SessionPolicies(inline, arns)


def packed_percentage(policies: SessionPolicies, tags: Mapping[str, str]) -> int | None:
    """Return the percentage of a session's space that is used.

    Returns None without policies and tags. Raises PackedPolicyTooLarge above a hundred.
    """
    if not policies.inline and not policies.arns and not tags:
        return None
    texts = [policies.inline, *policies.arns, *(f"{key}={value}" for key, value in tags.items())]
    packed = len(zlib.compress("\n".join(texts).encode(), 9))
    percentage = -(-packed * _WHOLE // _PACKED_BYTES)
    if percentage > _WHOLE:
        what = "policies and session tags" if tags and (policies.inline or policies.arns) else "policies"
        what = what if policies.inline or policies.arns else "session tags"
        raise PackedPolicyTooLarge(f"Packed size of {what} consumes {percentage}% of allotted space.")
    return percentage
