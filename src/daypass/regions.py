"""Names of regions: their form, and the regions that an endpoint serves.

Pure. Owns the two forms, and the rule that follows from an operator's list. Leaves the check of a scope to its
verifiers.

- A region is a name in the scope of a signature. Clients of other stores use `garage`, `auto` or `RegionOne`, so any
  name of the form is served, and it is compared exactly as it was signed.
- An operator may name the regions instead. Then a name that AWS could have, and that is not among them, is a region in
  which STS is not activated; any other name is a mistake.

Source of AWS's names: botocore's partitions; AWS General Reference, "AWS service endpoints".
"""

import re
from collections.abc import Callable, Collection
from functools import lru_cache

REGION_FORM = "up to 63 letters, digits and hyphens, with a letter or digit first"
LONGEST_REGION = 63
"""The most characters of a name, as in a label of DNS."""

_ANY = re.compile(rf"[A-Za-z0-9][A-Za-z0-9-]{{0,{LONGEST_REGION - 1}}}")
_AREAS = (
    "af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa",
    "us", "us-gov", "us-iso", "us-isob", "us-isof",
)  # fmt: skip
_SIDES = (
    "central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west",
)  # fmt: skip
# A pattern, because a new region of AWS must not need a new release.
_AWS = re.compile(rf"(?:{'|'.join(_AREAS)})-(?:{'|'.join(_SIDES)})-[1-9]")


def is_region_name(name: str) -> bool:
    """Return whether `name` has the form of a region's name."""
    return len(name) <= LONGEST_REGION and _has_form(name)


@lru_cache(maxsize=128)
def _has_form(name: str) -> bool:
    return _ANY.fullmatch(name) is not None


def is_aws_region(name: str) -> bool:
    """Return whether `name` has the form of the name of a region of AWS."""
    return len(name) <= LONGEST_REGION and _AWS.fullmatch(name) is not None


def served_regions(named: Collection[str]) -> Callable[[str], bool]:
    """Return the rule for the served regions: those named, or all."""
    return frozenset(named).__contains__ if named else is_region_name


def known_regions(named: Collection[str]) -> Callable[[str], bool]:
    """Return the rule for the names that a scope may have at all.

    With a list these are also AWS's own: a caller who has signed for one of them learns that it is not served.
    """
    served = served_regions(named)
    return (lambda name: served(name) or is_aws_region(name)) if named else served


def home_region(named: Collection[str], usual: str) -> str:
    """Return the region that a refusal tells clients to sign for."""
    return usual if not named or usual in named else min(named)
