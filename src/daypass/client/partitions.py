"""AWS's partitions: the partition of a region, and its sign-in host.

Pure. Owns the table. A Daypass server is not part of AWS, whatever its region: its ARNs are in the partition `aws`.
Source: AWS General Reference, "AWS service endpoints"; IAM User Guide, "Enable custom identity broker access".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of AWS.

    It has a name in ARNs, a domain suffix, and possibly a sign-in host and a console.
    """

    name: str
    suffix: str
    sign_in: str = ""
    console: str = ""


AWS = Partition("aws", ".amazonaws.com", "https://signin.aws.amazon.com/federation", "https://console.aws.amazon.com/")
# Prefix of a region -> its partition. All other regions are in `aws`.
BY_REGION: Mapping[str, Partition] = MappingProxyType(
    {
        "cn-": Partition(
            "aws-cn",
            ".amazonaws.com.cn",
            "https://signin.amazonaws.cn/federation",
            "https://console.amazonaws.cn/",
        ),
        "us-gov-": Partition(
            "aws-us-gov",
            ".amazonaws.com",
            "https://signin.amazonaws-us-gov.com/federation",
            "https://console.amazonaws-us-gov.com/",
        ),
        "eusc-": Partition("aws-eusc", ".amazonaws.eu"),
        "us-iso-": Partition("aws-iso", ".c2s.ic.gov"),
        "us-isob-": Partition("aws-iso-b", ".sc2s.sgov.gov"),
        "eu-isoe-": Partition("aws-iso-e", ".cloud.adc-e.uk"),
        "us-isof-": Partition("aws-iso-f", ".csp.hci.ic.gov"),
    }
)


def find_partition(region: str, endpoint_url: str = "") -> Partition | None:
    """Return the partition of a region, or None if the endpoint is not AWS's."""
    found = next((each for start, each in BY_REGION.items() if region.startswith(start)), AWS)
    host = urlsplit(endpoint_url).hostname if endpoint_url else None
    if endpoint_url and not (host or "").endswith(found.suffix):
        return None
    return found


def partition_name(region: str, endpoint_url: str = "") -> str:
    """Return the name of the partition in ARNs."""
    return (find_partition(region, endpoint_url) or AWS).name
