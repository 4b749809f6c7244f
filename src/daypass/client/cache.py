"""Credentials that were already fetched, kept in files that only their owner may read.

Owns the folder, the fifteen minutes below which nothing is served, and the one refresh at a time. Where the person
wants it (`DAYPASS_KEYRING=1`), the secrets lie in the keyring and the file holds what is no secret.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daypass.client.credentials import Credentials, instant, sts_form, verify_credentials
from daypass.client.problems import Misconfigured, Problem

LEAST = timedelta(minutes=15)
_SERVICE = "daypass"
_NOT_SECRET = ("AccessKeyId", "Expiration")


@dataclass(frozen=True, slots=True)
class Entry:
    """Kept credentials, with what a person wants to know about them."""

    key: str
    credentials: Credentials
    profile: str
    arn: str
    endpoint_url: str
    issuer: str = ""
    subject: str = ""


class Cache:
    """The folder of kept credentials."""

    def __init__(self, folder: Path, *, keyring: bool = False) -> None:
        self._folder = folder
        self._keyring = keyring

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Cache":
        """Return the cache of this user."""
        base = environment.get("DAYPASS_CACHE_DIR")
        if not base:
            home = environment.get("XDG_CACHE_HOME") or "~/.cache"
            base = f"{home}/daypass"
        folder = Path(base).expanduser() / "credentials"
        return cls(folder, keyring=environment.get("DAYPASS_KEYRING", "") in {"1", "true", "yes", "on"})

    def find(self, key: str, *, now: datetime, least: timedelta = LEAST) -> Entry | None:
        """Return what is kept under `key` if it lasts for `least` more."""
        entry = self._read(self._folder / f"{key}.json")
        if entry is None or entry.key != key or not entry.credentials.lasts(least, now=now):
            return None
        return entry

    def keep(self, entry: Entry) -> None:
        """Keep credentials. What is there is replaced at once or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        form = sts_form(entry.credentials)
        if self._keyring:
            _ask_keyring("set_password", _SERVICE, entry.key, json.dumps(form))
            form = {name: form[name] for name in _NOT_SECRET if name in form}
        document = {
            "key": entry.key,
            "credentials": form,
            "profile": entry.profile,
            "arn": entry.arn,
            "endpoint_url": entry.endpoint_url,
            "issuer": entry.issuer,
            "subject": entry.subject,
            "kept": instant(datetime.now(UTC)),
            "in_keyring": self._keyring,
        }
        beside = self._folder / f".{entry.key}.{os.getpid()}"
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file)
        beside.replace(self._folder / f"{entry.key}.json")

    def drop(self, key: str) -> None:
        """Forget what is kept under `key`."""
        path = self._folder / f"{key}.json"
        document = _load(path)
        if document is not None and document.get("in_keyring"):
            try:
                _ask_keyring("delete_password", _SERVICE, key)
            except Problem:
                if self._keyring:
                    raise
        path.unlink(missing_ok=True)

    def entries(self) -> Iterator[Entry]:
        """Return everything that is kept and can be read, the oldest name first."""
        for path in sorted(self._folder.glob("*.json")):
            entry = self._read(path)
            if entry is not None:
                yield entry

    def alone(self, key: str) -> AbstractContextManager[None]:
        """Return a context in which no other process refreshes `key`."""
        from daypass.client.file_lock import locked

        return locked(self._folder / f"{key}.lock", seconds=300, what="another sign-in for these credentials")

    def _read(self, path: Path) -> Entry | None:
        document = _load(path)
        if document is None:
            return None
        try:
            form = document["credentials"]
            if document.get("in_keyring"):
                form = json.loads(_ask_keyring("get_password", _SERVICE, document["key"]) or "{}")
            texts = {name: str(document[name]) for name in ("key", "profile", "arn", "endpoint_url")}
            return Entry(
                credentials=verify_credentials(form),
                issuer=str(document.get("issuer", "")),
                subject=str(document.get("subject", "")),
                **texts,
            )
        except (KeyError, TypeError, ValueError, AttributeError, Problem):
            return None  # A file that cannot be understood is worth a new sign-in, not a failure.


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            document = json.loads(file.read(262_144))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _ask_keyring(what: str, *words: str) -> Any:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise Misconfigured(
            "DAYPASS_KEYRING is set, but keyring is not installed: pip install 'daypass[keyring]'."
        ) from error
    try:
        return getattr(keyring, what)(*words)
    except KeyringError as error:
        raise Misconfigured(
            f"The keyring does not work ({type(error).__name__}); unset DAYPASS_KEYRING to do without."
        ) from error
