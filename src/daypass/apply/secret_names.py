"""References to secrets: a name in the file, and the promise that the secret comes from elsewhere.

Pure. Owns the name's form, the Protocol of where secrets come from, and the complaint where one was not given.
"""

from dataclasses import dataclass
from typing import Protocol

from daypass.apply.nodes import Mistake, Place
from daypass.mint.secret import Secret

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


def require_given(secret: Secret | None, name: str, place: Place) -> Secret:
    """Return the secret that a file names. Raises Mistake where it was not given."""
    if secret is None:
        raise Mistake(
            place,
            f"the secret {name} was not given: set DAYPASS_SECRET_{name.upper()}, or name a --secrets-dir with it",
        )
    return secret
