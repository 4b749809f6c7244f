"""Encryption in the age format, by the library pyrage.

Source: https://age-encryption.org/v1. Owns the recipients and identities of backups, and the translation of the
library's errors. A backup has a key pair of its own, made for this file: the passphrase protects its identity. So a
passphrase and recipients can be used together, and a large body is encrypted chunk by chunk.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from daypass.ports import Entropy
from daypass.storage.backup.backup_refusals import BackupDamagedError, BackupKeyError
from daypass.storage.backup.passphrase_identity import MOST_WORK, unarmored, work_of, wrap_identity

LEAST_CHARACTERS = 16
_IDENTITY = "AGE-SECRET-KEY-1"


@dataclass(frozen=True, slots=True)
class BackupKeys:
    """The keys that open a backup: a passphrase, recipients or both."""

    passphrase: str = field(default="", repr=False)
    recipients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.passphrase and not self.recipients:
            raise BackupKeyError(
                "a backup needs a key: set DAYPASS_BACKUP_PASSPHRASE or DAYPASS_BACKUP_PASSPHRASE_FILE, or use "
                "--recipient"
            )
        if self.passphrase and len(self.passphrase) < LEAST_CHARACTERS:
            raise BackupKeyError(
                f"the passphrase is too short: use at least {LEAST_CHARACTERS} characters, such as the output of "
                "`openssl rand -base64 24`"
            )


class Taking(Protocol):
    """Takes decrypted bytes."""

    def write(self, data: bytes, /) -> int:
        """Take in the next bytes."""
        ...

    def flush(self) -> None:
        """Do nothing."""
        ...


class BackupEncryption:
    """One backup's encryption. `wrapped` is its armored identity, or empty."""

    def __init__(self, keys: BackupKeys, *, entropy: Entropy = os.urandom) -> None:
        from pyrage import x25519

        self._recipients: list[Any] = [_parse_recipient(each) for each in keys.recipients]
        self.wrapped = ""
        if keys.passphrase:
            identity = x25519.Identity.generate()
            self._recipients.append(identity.to_public())
            self.wrapped = wrap_identity(str(identity), keys.passphrase, entropy=entropy)

    def encrypt(self, pieces: Iterator[bytes], out: BinaryIO) -> None:
        """Write the encrypted pieces. Their exceptions are passed on."""
        import pyrage

        source = _Pieces(pieces)
        try:
            pyrage.encrypt_io(source, out, self._recipients)
        except (pyrage.EncryptError, OSError):
            # The library keeps only the text of an exception of Python.
            if source.problem is not None:
                raise source.problem from None
            raise


def decrypt(source: BinaryIO, to: Taking, identities: Sequence[Any]) -> None:
    """Decrypt a stream. Raises BackupKeyError or BackupDamagedError.

    Each chunk is authenticated before `to` gets it. Only a return without an exception says that nothing is missing.
    """
    import pyrage

    kept = _Guarded(to)
    try:
        pyrage.decrypt_io(source, kept, identities)
    except (pyrage.DecryptError, OSError) as error:
        if kept.problem is not None:
            raise kept.problem from None
        if "No matching keys" in str(error):
            raise BackupKeyError(
                "the key does not open this backup, or the head of the file was changed: check the passphrase or the "
                "identity"
            ) from error
        raise BackupDamagedError("it was cut or changed after it was written") from error


def unlock(wrapped: str, passphrase: str) -> Any:
    """Return the identity of a backup. Raises BackupKeyError."""
    import pyrage

    content = unarmored(wrapped)
    work = None if content is None else work_of(content)
    if content is None or work is None or work > MOST_WORK:
        raise BackupDamagedError("the part for the passphrase is unreadable")
    try:
        plain = pyrage.passphrase.decrypt(content, passphrase)
        return pyrage.x25519.Identity.from_str(plain.decode().strip())
    except (pyrage.DecryptError, pyrage.IdentityError, UnicodeDecodeError) as error:
        raise BackupKeyError("the passphrase does not open this backup") from error


def parse_identities(text: str, *, source: str) -> list[Any]:
    """Return the identities of a file of `age-keygen`. Raises BackupKeyError."""
    import pyrage

    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    try:
        identities = [pyrage.x25519.Identity.from_str(line) for line in found]
    except pyrage.IdentityError as error:
        raise BackupKeyError(f"{source} is not a file of age identities: each line begins with {_IDENTITY}") from error
    if not identities:
        raise BackupKeyError(f"{source} has no age identity: a line that begins with {_IDENTITY}")
    return identities


def _parse_recipient(text: str) -> Any:
    import pyrage

    if text.upper().startswith(_IDENTITY):
        raise BackupKeyError("--recipient got a secret key: give the public one, which begins with age1")
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise BackupKeyError(
            f"{text[:80]!r} is not an age recipient: use a public key that begins with age1, of `age-keygen`"
        ) from error


class _Pieces:
    """A readable stream of pieces, which keeps their exception."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")
        self.problem: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, or none at the end."""
        try:
            while not self._rest:
                self._rest = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except BaseException as error:
            self.problem = error
            raise
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)


class _Guarded:
    """A stream that keeps the exception of what takes its bytes."""

    def __init__(self, to: Taking) -> None:
        self._to = to
        self.problem: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Give bytes on."""
        try:
            return self._to.write(data)
        except BaseException as error:
            self.problem = error
            raise

    def flush(self) -> None:
        """Do nothing."""
