"""Reasons why a backup cannot be written or restored.

The messages are for the operator.
"""


class BackupError(Exception):
    """A backup cannot be written or restored.

    The message says what happened and what to do.
    """


class BackupKeyError(BackupError):
    """The passphrase, recipient or identity is missing or does not fit."""


class BackupDamagedError(BackupError):
    """The file is not a backup, or was cut or changed."""


class BackupTooNewError(BackupError):
    """A later version of Daypass wrote the backup."""


class BackupExistsError(BackupError):
    """The file to write, or the store to restore, exists already."""
