"""Find the secrets that a file refers to.

Owns both sources: a file NAME in `--secrets-dir`, else the variable `DAYPASS_SECRET_<NAME>`. The caller checks the
names, so that they cannot leave the directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daypass.cli.shared.exit_codes import CommandError, Exit

_MOST = 65_536


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Finds secrets by name."""

    environment: Mapping[str, str]
    folder: Path | None = None

    def __repr__(self) -> str:
        return "<secrets>"

    def find(self, name: str) -> str | None:
        """Return the secret, or None if it does not exist.

        The newline that editors add is removed.
        """
        if self.folder is not None and (self.folder / name).is_file():
            return self._read(self.folder / name)
        return self.environment.get(f"DAYPASS_SECRET_{name.upper()}")

    def _read(self, path: Path) -> str:
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(_MOST + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(
                f"The secret {path} cannot be read: {type(error).__name__}.", Exit.CONFIGURATION
            ) from error
        if len(text) > _MOST:
            raise CommandError(f"The secret {path} is too long.", Exit.CONFIGURATION)
        return text.removesuffix("\n").removesuffix("\r")
