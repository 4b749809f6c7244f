"""The names that AWS gives its regions.

Owns the shape of such a name. It is a shape and not a list, because a new region must not need a new
Daypass; the words it is made of are a closed set, because a scope that names nonsense is a mistake worth
reporting. Operators who restrict the regions, or name their own, bring a predicate of their own.
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
_LONGEST = 32  # characters; no name comes near
_REGION = re.compile(rf"(?:{'|'.join(_AREAS)})-(?:{'|'.join(_SIDES)})-[1-9]")


def is_aws_region(name: str) -> bool:
    """Tell whether `name` is built as AWS builds the names of its regions."""
    return len(name) <= _LONGEST and _is_built_so(name)


@lru_cache(maxsize=128)
def _is_built_so(name: str) -> bool:
    return _REGION.fullmatch(name) is not None
