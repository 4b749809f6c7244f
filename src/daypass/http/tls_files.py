"""Load the certificate and the key of a listener.

Owns the messages that say what is wrong with their files: OpenSSL names neither the file nor the reason. Messages do
not contain a part of a file.
"""

import ssl
from pathlib import Path

from daypass.http.workers import ListenError
from daypass.key_files import KeyFileError, read_key_file

_LONGEST_KEY = 1_000_000  # bytes; the file may have the chain too
_READABLE = "Correct the path, or let the user of this process read it"
_OWN_KEY = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"})


def load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a certificate chain and its key. Raises ListenError."""
    chain, secret = _read("--tls-cert", certificate), _read_key(key)
    if "-----BEGIN CERTIFICATE-----" not in chain:
        raise _unusable("--tls-cert", certificate, "does not contain a certificate in PEM form")
    if "PRIVATE KEY-----" not in secret:
        raise _unusable("--tls-key", key, "does not contain a private key in PEM form")
    if "ENCRYPTED" in secret:
        raise _unusable("--tls-key", key, "has a passphrase", f"Remove it with `openssl pkey -in {key} -out FILE`")
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise _explained(error, certificate, key, chain) from error
    except OSError as error:
        raise ListenError(f"cannot serve with the certificate {certificate}: {error}") from error


def check_certificate(certificate: str, key: str) -> None:
    """Raise ListenError if a certificate and its key cannot be loaded."""
    load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)


def _read(option: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="latin-1")
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise _unusable(option, path, reason, _READABLE) from error


def _read_key(path: str) -> str:
    try:
        return read_key_file(Path(path), most_bytes=_LONGEST_KEY).decode("latin-1")
    except KeyFileError as error:
        remedy = f". {_READABLE}" if isinstance(error.__cause__, OSError) else ""
        raise ListenError(f"--tls-key: {error}{remedy}") from error


def _explained(error: ssl.SSLError, certificate: str, key: str, chain: str) -> ListenError:
    if error.reason in _OWN_KEY:
        remedy = "Give the key that it was requested with, and put the server's own certificate first"
        return _unusable("--tls-key", key, f"does not belong to the certificate in {certificate}", remedy)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=chain)
    except ssl.SSLError:
        return _unusable("--tls-cert", certificate, "has a damaged certificate")
    reason = "is damaged" if error.reason in {None, "PEM_LIB"} else f"cannot be used: {error.reason}"
    return _unusable("--tls-key", key, reason, "Copy the key again, as PEM")


def _unusable(option: str, path: str, reason: str, remedy: str = "Give a file in PEM form") -> ListenError:
    return ListenError(f"{option}: {path} {reason}. {remedy}")
