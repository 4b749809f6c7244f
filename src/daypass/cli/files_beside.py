"""The files beside the one that `daypass apply` reads.

Owns where they are looked for: in the directory of the applied file and below it. Standard input has none.
"""

from pathlib import Path


class FilesBeside:
    """Reads files by their names relative to another file."""

    def __init__(self, file: Path) -> None:
        self._directory = None if str(file) == "-" else file.parent

    def read(self, name: str, most: int) -> bytes:
        """Return the first bytes of a file, one more than `most` at the most. Raises OSError."""
        if self._directory is None:
            raise OSError(0, "nothing stands beside standard input; write the keys into the file")
        path = self._directory / name
        # A pipe or a device would be waited for.
        if path.exists() and not path.is_file():
            raise OSError(0, "it is no file")
        with path.open("rb") as file:
            return file.read(most + 1)
