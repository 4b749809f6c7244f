"""Reasons why a store cannot be used, with messages for the operator.

They are not Faults: the command line exits with code 6.
"""

from daypass.directory.store import StoreUnavailableError


class StoreOpenError(Exception):
    """The store's address, files, schema or key are wrong.

    The message contains the remedy.
    """


class StoreUnreachableError(StoreOpenError):
    """The database is down at the start, or denies access."""


class StoreTooNewError(StoreOpenError):
    """A later version of Daypass has changed the schema of the store."""


class WrongMasterKeyError(StoreOpenError):
    """The store's secrets were wrapped under another master key."""


class MasterKeyMissingError(StoreOpenError):
    """A master key was not given, and must not be generated here."""


class StoreReplacedError(StoreUnavailableError):
    """The database was replaced in a way that cannot be followed.

    No value that was read from it may be used any more.
    """


class MasterKeyUnavailableError(StoreOpenError):
    """The place of the master key does not answer, or refuses."""
