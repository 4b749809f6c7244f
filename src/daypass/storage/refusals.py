"""Reasons why a store cannot be used, with messages for the operator.

They are not Faults, because callers of the API do not see them: the command line exits with code 6.
"""


class StoreRefused(Exception):  # noqa: N818 - read as a sentence: opening raises StoreRefused
    """The store's address, files, schema or key are wrong.

    The message contains the remedy.
    """


class StoreUnreachable(StoreRefused):
    """The database is down at the start, or denies access."""


class StoreTooNew(StoreRefused):
    """A later version of Daypass has changed the schema of the store."""


class WrongMasterKey(StoreRefused):
    """The store's secrets were wrapped under another master key."""


class MasterKeyMissing(StoreRefused):
    """A master key was not given, and must not be generated here."""
