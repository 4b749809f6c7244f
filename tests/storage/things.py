"""Records to test with."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from daypass.directory.store import Record, Store, Writer


def user(name: str, *, account: str = "111111111111", path: str = "/", body: bytes = b"") -> Record:
    """Return a record such as the directory makes of a user."""
    return Record(
        kind="user",
        account=account,
        key=name.lower(),
        sort=path + name,
        unique_id=f"AIDA{account}{name}",
        body=body,
    )


class Abandoned(Exception):  # noqa: N818 - what happens to the transaction
    """Raised inside a transaction to see that it is rolled back."""


@contextmanager
def abandoned(store: Store) -> Iterator[Writer]:
    """Open a transaction that ends in an exception, and see that it comes out as it was."""
    with pytest.raises(Abandoned, match="mine"), store.write() as writer:  # noqa: PT012 - it is raised by the last line
        yield writer
        raise Abandoned("mine")
