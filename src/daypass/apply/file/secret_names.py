"""References to secrets by name; the secrets are outside the file.

Pure. Owns the format of names, the Protocol of a source, and the error for a missing secret.
"""

from dataclasses import dataclass
from typing import Protocol

from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.mint.secret import Secret

SECRET_NAME = "[A-Za-z][A-Za-z0-9_]{0,63}"  # noqa: S105 - the form of a name, no secret


@dataclass(frozen=True, slots=True)
class SecretReference:
    """The name of a secret."""

    name: str


class Secrets(Protocol):
    """A source of secrets."""

    def find(self, name: str) -> str | None:
        """Return the secret of this name, or None if it was not provided."""
        ...


def require_given(secret: Secret | None, name: str, place: FilePosition) -> Secret:
    """Return the secret that a file names.

    Raises ApplyFileError if it was not provided.
    """
    if secret is None:
        raise ApplyFileError(
            place,
            f"the secret {name} is missing: set DAYPASS_SECRET_{name.upper()}, or pass a --secrets-dir with its file",
        )
    return secret
