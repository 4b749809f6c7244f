"""The syntax of AWS region names.

It is a pattern, because a new region must not need a new release. Its words are a closed set, because an invented
region must be reported. Operators who restrict the regions, or use their own names, pass their own predicate.
Source: botocore's partitions; AWS General Reference, "AWS service endpoints".
"""

import re
from functools import lru_cache

_AREAS = (
    "af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa",
    "us", "us-gov", "us-iso", "us-isob", "us-isof",
)  # fmt: skip
_SIDES = (
    "central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west",
)  # fmt: skip
_LONGEST = 32  # characters; real names are much shorter
_REGION = re.compile(rf"(?:{'|'.join(_AREAS)})-(?:{'|'.join(_SIDES)})-[1-9]")


def is_aws_region(name: str) -> bool:
    """Return whether `name` has the syntax of an AWS region name."""
    return len(name) <= _LONGEST and _is_built_so(name)


@lru_cache(maxsize=128)
def _is_built_so(name: str) -> bool:
    return _REGION.fullmatch(name) is not None
