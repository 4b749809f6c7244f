"""PolicyExclusionList: the policies that a simulation excludes.

An exclusion names policies by type, by ARN, or by an inline policy's name and holder. It is ignored if it matches no
attached policy, and refused if it cannot match any.
Source: IAM API Reference, PolicyIdentifier.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from daypass.arn import Arn
from daypass.errors import InvalidInput
from daypass.policy.compiled import Policy
from daypass.policy.wildcard import compile_wildcard, tokens_of

_AWS = "arn:aws:iam::aws:"


class InlineIdentifier(msgspec.Struct, frozen=True, rename="pascal"):
    """The name of an inline policy and its holder."""

    policy_name: str
    attachment_type: str
    attachment_name: str


class Exclusion(msgspec.Struct, frozen=True, rename="pascal"):
    """The policies to exclude.

    AWS accepts one member. Here each given one excludes policies.
    """

    policy_type: str = ""
    policy_arn: str = ""
    inline_policy_identifier: InlineIdentifier | None = None


@dataclass(frozen=True, slots=True)
class RemainingPolicies:
    """The policies that remain after the exclusions.

    `boundary` and `service_control` say whether these still apply.
    """

    policies: tuple[Policy, ...]
    boundary: bool
    service_control: bool


def exclude(exclusions: Iterable[Exclusion], policies: Iterable[Policy]) -> RemainingPolicies:
    """Return the policies of a principal that remain after the exclusions."""
    every = tuple(exclusions)
    for exclusion in every:
        _check(exclusion)
    types = {exclusion.policy_type for exclusion in every}
    kept = tuple(policy for policy in policies if not any(_names(exclusion, policy) for exclusion in every))
    return RemainingPolicies(kept, boundary="permission-boundary" not in types, service_control="scp" not in types)


def _check(exclusion: Exclusion) -> None:
    inline = exclusion.inline_policy_identifier
    names = [exclusion.policy_arn] if exclusion.policy_arn else []
    if exclusion.policy_arn and Arn.find(exclusion.policy_arn) is None:
        raise InvalidInput(f"{exclusion.policy_arn} is not the ARN of a policy.")
    if inline is not None:
        names.append(inline.attachment_name)
    for name in names:
        if name.count("*") > 1 or "*" in name.rpartition("/")[0]:
            raise InvalidInput(f"{name} can have only one wildcard, after the last slash.")


def _names(exclusion: Exclusion, policy: Policy) -> bool:
    name, owner = policy.source.id, Arn.find(policy.source.owner)
    is_managed = name.startswith("arn:")
    if exclusion.policy_type == _type_of(name):
        return True
    if exclusion.policy_arn and is_managed and _fits(exclusion.policy_arn, name):
        return True
    inline = exclusion.inline_policy_identifier
    if inline is None or is_managed or owner is None or inline.policy_name != name:
        return False
    kind, _, rest = owner.resource.partition("/")
    return kind == inline.attachment_type and _fits(inline.attachment_name, rest.rpartition("/")[2])


def _type_of(name: str) -> str:
    if not name.startswith("arn:"):
        return "inline"
    return "aws-managed" if name.startswith(_AWS) else "user-managed"


def _fits(pattern: str, text: str) -> bool:
    return compile_wildcard(tokens_of(pattern))(text)
