"""The RequestContext of an operator's command.

It is one transaction without the server's cache: a command ends with its transaction.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TypeVar

from daypass.authenticate.keychain import Keychain
from daypass.directory.principals import store_known_principals
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, WouldBlockError, Writer
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.ports import Entropy

T = TypeVar("T")


class DirectViews:
    """Derived values, computed from the transaction on each read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, loader: Callable[..., T], *args: object) -> T:
        """Return the result of a loader for the transaction."""
        return loader(self._reader, *args)


def operator_context(
    transaction: Writer,
    *,
    now: datetime,
    region: str,
    entropy: Entropy,
    vault: SecretBox,
    settings: ServiceSettings,
) -> RequestContext:
    """Return the RequestContext of a transaction.

    It cannot open another transaction.
    """
    return RequestContext(
        now=now,
        region=region,
        views=DirectViews(transaction),
        load_sealing_ring=lambda: load_sealing_ring(transaction, vault),
        entropy=entropy,
        vault=vault,
        keychain=Keychain(vault),
        settings=settings,
        open_new_transaction=_open_no_other,
        open_snapshot=_open_no_other,
        transaction=transaction,
        store_trust=store_known_principals,
    )


def _open_no_other() -> AbstractContextManager[Writer]:
    raise WouldBlockError
