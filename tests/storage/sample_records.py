"""Records for tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from daypass.directory.store import Record, Store, Writer


def user(name: str, *, account: str = "111111111111", path: str = "/", body: bytes = b"") -> Record:
    """Return a record like that of a user in the directory."""
    return Record(
        kind="user",
        account=account,
        key=name.lower(),
        sort=path + name,
        unique_id=f"AIDA{account}{name}",
        body=body,
    )


class AbandonedError(Exception):
    """An exception that rolls a transaction back."""


@contextmanager
def abandoned(store: Store, account: str | None = None) -> Iterator[Writer]:
    """Open a transaction that ends in an exception, and verify that it is passed on unchanged."""
    with pytest.raises(AbandonedError, match="mine"), store.write(account=account) as writer:  # noqa: PT012 - it is raised by the last line
        yield writer
        raise AbandonedError("mine")
