"""References to secrets: a name in the file, and the promise that the secret comes from elsewhere.

Pure. Owns the name's form and the Protocol of where secrets come from.
"""

from dataclasses import dataclass
from typing import Protocol

SECRET_NAME = "[A-Za-z][A-Za-z0-9_]{0,63}"  # noqa: S105 - the form of a name, no secret


@dataclass(frozen=True, slots=True)
class SecretReference:
    """The name of a secret."""

    name: str


class Secrets(Protocol):
    """Where secrets come from."""

    def find(self, name: str) -> str | None:
        """Return the secret of this name, or None where it was not given."""
        ...
