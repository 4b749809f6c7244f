"""Session policies: an inline one and up to ten managed ones.

Owns their limits. The engine evaluates them; a managed policy applies in its current version at each request.
Source: IAM User Guide, "Session policies"; "IAM and AWS STS quotas".
"""

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
from daypass.operations.sts.packed_size import packed_percent
from daypass.policy.language.document import DocumentKind
from daypass.policy.language.saved_documents import parse_new_document

LONGEST_PLAIN = 2048  # characters, inline and managed together
MOST_MANAGED = 10
_WHOLE = 100
# AWS's words; with a policy, they speak of the policy alone, even if tags take the most space.
_POLICY = "Packed policy consumes {}% of allotted space, please use smaller policy."
_TAGS = "Packed size of session tags consumes {}% of allotted space."


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
    _check_plain(inline, arns)
    if inline:
        parse_new_document(inline, DocumentKind.SESSION)
    return SessionPolicies(inline, arns)


def _check_plain(inline: str, arns: tuple[str, ...]) -> None:
    """Refuse more plain characters than AWS takes, white space included."""
    plain = len(inline) + sum(map(len, arns))
    if plain > LONGEST_PLAIN:
        percentage = max(packed_percent((inline, *arns), {}), -(-plain * _WHOLE // LONGEST_PLAIN))
        raise PackedPolicyTooLarge(
            _POLICY.format(percentage),
            detail=f"{plain} characters of inline and managed session policies; {LONGEST_PLAIN} are the limit",
        )


def packed_percentage(policies: SessionPolicies, tags: Mapping[str, str]) -> int | None:
    """Return the percentage of a session's space that is used.

    Returns None without policies and tags. Raises PackedPolicyTooLarge above a hundred.
    """
    has_policies = bool(policies.inline or policies.arns)
    if not has_policies and not tags:
        return None
    percentage = packed_percent((policies.inline, *policies.arns), tags)
    if percentage > _WHOLE:
        raise PackedPolicyTooLarge((_POLICY if has_policies else _TAGS).format(percentage))
    return percentage
