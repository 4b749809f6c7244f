"""TLS of the sinks: trusted authorities and client certificates.

Owns the contexts, and the words for failed handshakes. Certificates and host names are always verified.
"""

import os
import ssl
from pathlib import Path

from daypass.audit.delivery.sink_settings import AuditSinkSetting
from daypass.key_files import KeyFileError, read_key_file

_LONGEST_KEY = 65_536


def sink_context(sink: AuditSinkSetting) -> ssl.SSLContext:
    """Return the context of a sink.

    Raises ValueError if a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=sink.ca_bundle or None)
    except OSError as error:
        raise ValueError(f"ca_bundle {sink.ca_bundle} cannot be read: {error.strerror or error}") from error
    if sink.client_certificate:
        try:
            read_key_file(Path(sink.client_key), most_bytes=_LONGEST_KEY)  # refuses a key that others can read
            context.load_cert_chain(sink.client_certificate, sink.client_key, password=_refuse_password)
        except KeyFileError as error:
            raise ValueError(f"client_key: {error}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            raise ValueError(f"client_certificate {sink.client_certificate} cannot be used: {reason}") from error
    return context


def describe_failure(error: Exception) -> str:
    """Return the reason of a failed connection, for an operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the receiver is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "the receiver did not answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _refuse_password() -> str:
    raise ValueError("client_key is encrypted; give a key without a password")
