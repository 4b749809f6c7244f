"""Write the data of version 0.1.0 that the tests in this folder open. README.md says how this is run."""

import hashlib
import importlib
import itertools
import os
import sys


class SeededEntropy:
    """Bytes that are the same in each run. Private keys come from OpenSSL and differ."""

    def __init__(self, seed: bytes) -> None:
        self._blocks = (hashlib.sha512(seed + number.to_bytes(8)).digest() for number in itertools.count())
        self._rest = b""

    def __call__(self, size: int, /) -> bytes:
        """Return the next bytes."""
        while len(self._rest) < size:
            self._rest += next(self._blocks)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


if __name__ == "__main__":
    # Before anything of Daypass is imported: some of its functions keep `os.urandom` as a default.
    os.urandom = SeededEntropy(b"daypass upgrade test data, no secret")
    importlib.import_module("tests.upgrade.generator.write").main(sys.argv[1])
