"""The strings that are valid in a Resource element.

Owns the check and AWS's messages for refusals. Source: recordings of IAM's responses.
"""

from collections.abc import Mapping
from types import MappingProxyType

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
_WILD = "*?$"
_ARN_COLONS = 5


def check_resource(text: str) -> str | None:
    """Return AWS's message if the resource is invalid, otherwise None."""
    if text == "*":
        return None
    head, _, rest = text.partition(":")
    if head != "arn" or text == "arn":
        return f'Resource {text} must be in ARN format or "*".'
    partition, _, rest = rest.partition(":")
    if partition not in _PARTITIONS and not _is_wild(partition):
        shown = [*(rest.split(":", 3) if rest else ()), "*", "*", "*", "*"][:4]
        return f'Partition "{partition}" is not valid for resource "arn:{partition}:{":".join(shown)}".'
    if not rest and partition != "*":
        return "Resource vendor must be fully qualified and cannot contain regexes."
    if rest.startswith(":") or (text.count(":") < _ARN_COLONS and "::" in text and "*" not in text):
        return "The policy failed legacy parsing"
    return _check_service(text, rest)


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
