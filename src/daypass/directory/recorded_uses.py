"""The last use of a record, as a store keeps it."""

from typing import NamedTuple


class RecordedUse(NamedTuple):
    """The last use of a record, beside the record and outside of the history.

    `at` is in microseconds since 1970.
    """

    unique_id: str
    account: str
    at: int
    region: str
    service: str


MOST_USES = 1000
"""The maximum number of uses that a store records at once, so that other writers wait only briefly."""
