"""Store secrets in the desktop's keyring instead of in a file.

Owns the messages for its failures: the package is not installed, the machine has no keyring, the keyring is locked, or
a backend fails. Imported only if a secret is stored there.
"""

from typing import Any

from daypass.client.problems import LockedError, MisconfiguredError
from daypass.client.text_format import printable

_SERVICE = "daypass"


def find_secret(key: str) -> str | None:
    """Return the secret of `key`, or None if it does not exist."""
    found = _call("get_password", key)
    return found if isinstance(found, str) else None


def keep_secret(key: str, text: str) -> None:
    """Store a secret under `key`."""
    _call("set_password", key, text)


def drop_secret(key: str) -> None:
    """Delete the secret of `key`, if it exists."""
    if find_secret(key) is not None:
        _call("delete_password", key)


def _call(what: str, *words: str) -> Any:
    try:
        import keyring
        from keyring.errors import KeyringLocked, NoKeyringError
    except ImportError as error:
        raise MisconfiguredError(
            "DAYPASS_KEYRING is set, but keyring is not installed: pip install 'daypass[keyring]'."
        ) from error
    try:
        return getattr(keyring, what)(_SERVICE, *words)
    except KeyringLocked as error:
        raise LockedError("The keyring is locked. Unlock it and try again, or unset DAYPASS_KEYRING.") from error
    except NoKeyringError as error:
        raise MisconfiguredError(
            "This machine has no keyring. Unset DAYPASS_KEYRING, or see `keyring --list-backends`."
        ) from error
    except Exception as error:
        raise MisconfiguredError(
            f"The keyring does not work ({type(error).__name__}: {printable(error)}). Unset DAYPASS_KEYRING to "
            "use files instead."
        ) from error
