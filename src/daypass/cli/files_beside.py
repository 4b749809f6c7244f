"""The other files that the file of `daypass apply` refers to.

Owns the search: in the directory of the applied file and below it. Standard input cannot refer to files.
"""

from pathlib import Path


class FilesBeside:
    """Reads files by their paths relative to another file."""

    def __init__(self, file: Path) -> None:
        self._directory = None if str(file) == "-" else file.parent

    def read(self, name: str, most: int) -> bytes:
        """Return at most `most` + 1 bytes of a file. Raises OSError."""
        if self._directory is None:
            raise OSError(0, "a configuration from standard input cannot refer to files; write the keys into it")
        path = self._directory / name
        # Reading a pipe or a device could block forever.
        if path.exists() and not path.is_file():
            raise OSError(0, "it is not a regular file")
        with path.open("rb") as file:
            return file.read(most + 1)
