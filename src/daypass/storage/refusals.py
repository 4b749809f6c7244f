"""Why a store cannot be used at all: mistakes of the operator, in words for the operator.

None of these is a Fault, because no caller of the API sees them: the command line exits with code 6.
"""


class StoreRefused(Exception):  # noqa: N818 - read as a sentence: opening raises StoreRefused
    """The store's address, files, schema or key are wrong. The message says what to do about it."""


class StoreUnreachable(StoreRefused):
    """The database could not be opened at the start: it is away, or does not let us in."""


class StoreTooNew(StoreRefused):
    """A later version of Daypass has changed the store in ways this version does not know."""


class WrongMasterKey(StoreRefused):
    """The master key is not the one that the store's secrets were wrapped under."""


class MasterKeyMissing(StoreRefused):
    """No master key was given, and none may be generated here."""
