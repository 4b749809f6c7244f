"""The keyring of the person's desktop, for those who want no secret in a file.

Owns its failures, which are many: it is not installed, there is none on a machine without a desktop, it is locked, or a
backend fails in a way of its own. Each is one sentence. It is imported only where a secret is kept there.
"""

from typing import Any

from daypass.client.problems import Locked, Misconfigured
from daypass.client.words import printable

_SERVICE = "daypass"


def find_secret(key: str) -> str | None:
    """Return the text that is kept under `key`, or None."""
    found = _ask("get_password", key)
    return found if isinstance(found, str) else None


def keep_secret(key: str, text: str) -> None:
    """Keep a text."""
    _ask("set_password", key, text)


def drop_secret(key: str) -> None:
    """Forget a text. One that is not there is forgotten already."""
    if find_secret(key) is not None:
        _ask("delete_password", key)


def _ask(what: str, *words: str) -> Any:
    try:
        import keyring
        from keyring.errors import KeyringLocked, NoKeyringError
    except ImportError as error:
        raise Misconfigured(
            "DAYPASS_KEYRING is set, but keyring is not installed: pip install 'daypass[keyring]'."
        ) from error
    try:
        return getattr(keyring, what)(_SERVICE, *words)
    except KeyringLocked as error:
        raise Locked("The keyring is locked; unlock it and try again, or unset DAYPASS_KEYRING.") from error
    except NoKeyringError as error:
        raise Misconfigured(
            "There is no keyring on this machine; unset DAYPASS_KEYRING, or see `keyring --list-backends`."
        ) from error
    except Exception as error:
        raise Misconfigured(
            f"The keyring does not work ({type(error).__name__}: {printable(error)}); unset DAYPASS_KEYRING to do "
            "without."
        ) from error
