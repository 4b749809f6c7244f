"""Find the secrets that a file refers to.

Owns both sources: a file NAME in `--secrets-dir`, else the variable `DAYPASS_SECRET_<NAME>`. The caller checks the
names, so that they cannot leave the directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.key_files import KeyFileError, read_key_file

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
            text = read_key_file(path, most_bytes=_MOST).decode()
        except KeyFileError as error:
            raise CommandError(f"The secret {error}.", Exit.CONFIGURATION) from error
        except UnicodeDecodeError:
            raise CommandError(f"The secret {path} is not UTF-8 text.", Exit.CONFIGURATION) from None
        return text.removesuffix("\n").removesuffix("\r")
