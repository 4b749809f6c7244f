"""SHA-256 for the names of cached credentials.

Pure. hashlib loads OpenSSL, which takes a tenth of the time of `daypass credential-process`. The interpreter's own
module computes the same value; its name depends on the version of Python.
"""

import sys
from importlib import import_module

_NAME = "_sha2" if sys.version_info >= (3, 12) else "_sha256"


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of the content as hexadecimal digits."""
    return str(_sha256(content).hexdigest())


try:
    _sha256 = import_module(_NAME).sha256
except ImportError:  # an interpreter that was built without it
    _sha256 = import_module("hashlib").sha256
