"""The strings that are valid in a Resource element.

Owns the check and AWS's messages for refusals. Source: recordings of IAM's responses.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from daypass.arn import PARTITION

_PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"})
_REGIONLESS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "iam": ("IAM resource {0} cannot contain region information.", ()),
        "s3": (
            "Resource {0} can not contain region information.",
            ("accesspoint/", "job/", "storage-lens", "async-request/", "access-grants", "accesspointobject/"),
        ),
    }
)
_IAM_PATHS = (
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
)
_LATER_IAM_PATHS = ("root", "u2f/", "delegation-request/")
NO_VENDOR = "Resource vendor must be fully qualified and cannot contain regexes."
_TO_COLON = re.compile(r"(?:\$\{[^{}]*\}|[^:])*")
_WILD = "*?$"
_ARN_COLONS = 5


def check_resource(text: str) -> str | None:
    """Return AWS's message if the resource is invalid, otherwise None."""
    if text == "*":
        return None
    head, _, rest = text.partition(":")
    if head != "arn" or text == "arn":
        return f'Resource {text} must be in ARN format or "*".'
    partition, rest = _split_partition(rest)
    if partition not in _PARTITIONS and not _is_wild(partition):
        return _words_for(partition, rest)
    if not rest and partition != "*":
        return NO_VENDOR
    if rest.startswith(":") or (text.count(":") < _ARN_COLONS and "::" in text and "*" not in text):
        return "The policy failed legacy parsing"
    return _check_service(text, rest)


def partition_fault(text: str) -> str | None:
    """Return AWS's message for an ARN of another partition, or None.

    A partition may have wildcards, and no variable.
    """
    head, _, rest = text.partition(":")
    partition, rest = _split_partition(rest)
    if head != "arn" or text == "arn" or partition == PARTITION or ("$" not in partition and _is_wild(partition)):
        return None
    return _words_for(partition, rest)


def _split_partition(text: str) -> tuple[str, str]:
    """Return the partition at the beginning of `text`, and the string after its colon.

    A colon inside `${…}` does not end it: `${AWS::Partition}` is a placeholder of CloudFormation.
    """
    found = _TO_COLON.match(text)
    partition = found[0] if found else ""
    return partition, text[len(partition) + 1 :]


def _words_for(partition: str, rest: str) -> str:
    shown = [*(rest.split(":", 3) if rest else ()), "*", "*", "*", "*"][:4]
    return f'Partition "{partition}" is not valid for resource "arn:{partition}:{":".join(shown)}".'


def _check_service(text: str, rest: str) -> str | None:
    """Check the rules of IAM for a service's own ARNs."""
    service, region, _, name = [*rest.split(":", 3), "", "", ""][:4]
    if service in _REGIONLESS and region and not _is_wild(region):
        words, regional = _REGIONLESS[service]
        if not (regional and name.startswith(regional)):
            return words.format(text)
    if service == "iam" and name and not _may_begin(name, _IAM_PATHS + _LATER_IAM_PATHS):
        return f'IAM resource path must either be "*", root, or start with {", ".join(_IAM_PATHS)}.'
    return None


def _may_begin(text: str, starts: tuple[str, ...]) -> bool:
    """Return whether `text`, with its wildcards, can match one of `starts`."""
    fixed = text
    for at, character in enumerate(text):
        if character in _WILD:
            fixed = text[:at]
            break
    if fixed == text:
        return text.startswith(starts)
    return any(start.startswith(fixed) or fixed.startswith(start) for start in starts)


def _is_wild(text: str) -> bool:
    return any(character in text for character in _WILD)
