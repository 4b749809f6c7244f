"""The cache of credentials, in files that only their owner can read.

Owns the folder, the minimum lifetime of fifteen minutes, and the rule of one refresh at a time. With
`DAYPASS_KEYRING=1` the secrets are in the keyring (secret_keeper.py) and the file contains only the other members.

Each write also deletes entries that expired more than a day ago, except those that another process has locked. Lock
files are never deleted: otherwise two processes could each have one of the same name, and both continue.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daypass.client.credentials import Credentials, read_end, sts_form, verify_credentials
from daypass.client.operating_system import cache_folder, is_of_another_user, replace_file
from daypass.client.problems import LockedError, UserFacingError

LEAST = timedelta(minutes=15)
# A session that was kept later than this after the present time is from a clock that was ahead, or has gone back.
_STEP = timedelta(minutes=1)
_NOT_SECRET = ("AccessKeyId", "Expiration")


# `daypass status` shows a session as expired for this time.
SHOWN = timedelta(days=1)
_MOST = 32


@dataclass(frozen=True, slots=True)
class CachedCredentials:
    """Cached credentials and their description for people.

    `source` is the key ID or the profile that signed the request for them.
    """

    key: str
    credentials: Credentials
    profile: str
    arn: str
    endpoint_url: str
    issuer: str = ""
    subject: str = ""
    kept: datetime | None = None
    further: tuple[str, ...] = ()
    source: str = ""

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles that share the session."""
        return _profiles(self.profile, self.further)


@dataclass(frozen=True, slots=True)
class CachedCredentialsSummary:
    """The members of a cache entry that are not secret."""

    key: str
    access_key_id: str
    expires: datetime | None
    profile: str
    arn: str
    endpoint_url: str
    subject: str
    in_keyring: bool
    further: tuple[str, ...] = ()
    kept: datetime | None = None
    source: str = ""

    def is_from_the_future(self, now: datetime) -> bool:
        """Return whether the session was kept later than now.

        Its end then says nothing.
        """
        return self.kept is not None and self.kept > now + _STEP

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles that share the session."""
        return _profiles(self.profile, self.further)


def _profiles(first: str, further: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (first, *further))))


class CredentialCache:
    """The folder of cached credentials."""

    def __init__(self, folder: Path, *, keyring: bool = False) -> None:
        self.folder = folder
        self.keyring = keyring

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "CredentialCache":
        """Return the cache of this user."""
        base = environment.get("DAYPASS_CACHE_DIR")
        above = Path(base).expanduser() if base else cache_folder(environment)
        return cls(above / "credentials", keyring=environment.get("DAYPASS_KEYRING", "") in {"1", "true", "yes", "on"})

    def find(self, key: str, *, now: datetime, least: timedelta = LEAST) -> CachedCredentials | None:
        """Return the entry of `key` if it stays valid for `least` more, else None.

        An entry that was kept later than now has more time left than it was given: this machine's clock has gone back.
        """
        entry = self._read(self.folder / f"{key}.json")
        if entry is None or entry.key != key or not entry.credentials.lasts(least, now=now):
            return None
        return None if entry.kept is not None and entry.kept > now + _STEP else entry

    def can_keep(self) -> bool:
        """Return whether the folder is writable.

        On a read-only disk credentials are not cached.
        """
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.access(self.folder, os.W_OK | os.X_OK)

    def must_keep(self) -> None:
        """Check, before the person signs in, that credentials can be cached.

        Raises UserFacingError.
        """
        if not self.can_keep():
            raise LockedError(f"{self.folder} is not writable. Set DAYPASS_CACHE_DIR to another folder.")
        if self.keyring:
            from daypass.client.sessions.secret_keeper import find_secret

            find_secret("nothing")

    def keep(self, entry: CachedCredentials) -> None:
        """Store credentials, and remove entries that expired long ago.

        The existing entry is replaced atomically.
        """
        now = datetime.now(UTC)
        form = sts_form(entry.credentials)
        if self.keyring:
            from daypass.client.sessions.secret_keeper import keep_secret

            keep_secret(entry.key, json.dumps(form))
            form = {name: form[name] for name in _NOT_SECRET if name in form}
        document = {
            "key": entry.key,
            "credentials": form,
            "profile": entry.profile,
            "arn": entry.arn,
            "endpoint_url": entry.endpoint_url,
            "issuer": entry.issuer,
            "subject": entry.subject,
            "kept": now.isoformat(),
            "in_keyring": self.keyring,
            "further_profiles": list(entry.further),
            "source": entry.source,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(entry.key, document)
        except OSError as error:
            raise LockedError(
                f"{self.folder} cannot be written: {error.strerror}. Set DAYPASS_CACHE_DIR to another folder, or "
                "use --no-cache."
            ) from error

        sweep(self, now=now)

    def _write(self, key: str, document: Mapping[str, Any]) -> None:
        beside = self.folder / f".{key}.{os.getpid()}"
        beside.unlink(missing_ok=True)
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
            replace_file(beside, self.folder / f"{key}.json")
        finally:
            beside.unlink(missing_ok=True)

    def share(self, key: str, profile: str) -> None:
        """Record that a profile uses the entry of another one.

        It is not recorded if the file cannot be written.
        """
        self._with_profiles(key, lambda profiles: (*profiles, profile))

    def forget(self, key: str, profile: str) -> None:
        """Record that a profile no longer uses an entry.

        An entry that no profile uses is deleted.
        """
        if not self._with_profiles(key, lambda profiles: tuple(each for each in profiles if each != profile)):
            self.drop(key)

    def _with_profiles(self, key: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[str, ...]:
        document = _load(self.folder / f"{key}.json") or {}
        profiles = change(_profiles(str(document.get("profile", "")), _further(document)))
        if document and profiles:
            with contextlib.suppress(OSError):
                self._write(key, {**document, "profile": profiles[0], "further_profiles": profiles[1:]})
        return profiles

    def drop(self, key: str) -> None:
        """Delete the entry of `key`, in the keyring too."""
        path = self.folder / f"{key}.json"
        document = _load(path)
        if document is not None and document.get("in_keyring"):
            from daypass.client.sessions.secret_keeper import drop_secret

            drop_secret(key)
        for half in self.folder.glob(f".{key}.*"):
            half.unlink(missing_ok=True)  # Left by a process that was killed while it wrote.
        path.unlink(missing_ok=True)

    def entries(self) -> Iterator[CachedCredentialsSummary]:
        """Yield the members of all entries that are not secret.

        They are sorted by key. The keyring is not read.
        """
        for path in sorted(self.folder.glob("*.json")):
            kept = self.look(path.stem)
            if kept is not None:
                yield kept

    def look(self, key: str) -> CachedCredentialsSummary | None:
        """Return the members of an entry that are not secret.

        Returns None if the file does not exist, is incomplete, or has another owner.
        """
        document = _load(self.folder / f"{key}.json") or {}
        try:
            form = document["credentials"]
            texts = {name: str(document[name]) for name in ("profile", "arn", "endpoint_url")}
            return CachedCredentialsSummary(
                key=key,
                access_key_id=str(form["AccessKeyId"]),
                expires=read_end(form.get("Expiration")),
                subject=str(document.get("subject", "")),
                in_keyring=bool(document.get("in_keyring")),
                further=_further(document),
                kept=_kept(document),
                source=str(document.get("source", "")),
                **texts,
            )
        except (KeyError, TypeError, ValueError, AttributeError, UserFacingError):
            return None

    def alone(self, key: str, *, seconds: float = 300) -> AbstractContextManager[None]:
        """Return a context that locks `key` against refreshes by other processes.

        It waits up to `seconds` for the lock.
        """
        from daypass.client.file_lock import locked

        return locked(self.folder / f"{key}.lock", seconds=seconds, what="another sign-in for these credentials")

    def _read(self, path: Path) -> CachedCredentials | None:
        document = _load(path)
        if document is None:
            return None
        form = document.get("credentials")
        if document.get("in_keyring"):
            form = self._from_keyring(str(document.get("key", "")))
        try:
            texts = {name: str(document[name]) for name in ("key", "profile", "arn", "endpoint_url")}
            return CachedCredentials(
                credentials=verify_credentials(form),  # type: ignore[arg-type] # verified inside, whatever its type
                issuer=str(document.get("issuer", "")),
                subject=str(document.get("subject", "")),
                kept=_kept(document),
                further=_further(document),
                source=str(document.get("source", "")),
                **texts,
            )
        except (KeyError, TypeError, ValueError, AttributeError, UserFacingError):
            return None  # An unreadable entry is ignored, so that a new sign-in replaces it.

    def _from_keyring(self, key: str) -> Any:
        from daypass.client.sessions.secret_keeper import find_secret

        try:
            return json.loads(find_secret(key) or "null")
        except ValueError:
            return None
        except UserFacingError:
            if self.keyring:
                raise
            return None  # The keyring is switched off: request new credentials, and store them in the file.


def _further(document: Mapping[str, Any]) -> tuple[str, ...]:
    found = document.get("further_profiles")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _kept(document: Mapping[str, Any]) -> datetime | None:
    """Return the time of an entry. Raises ValueError or TypeError if it is not a time."""
    if "kept" not in document:
        return None
    found = datetime.fromisoformat(document["kept"])
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            if is_of_another_user(file.fileno()):
                return None
            document = json.loads(file.read(262_144))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def sweep(cache: "CredentialCache", *, now: datetime) -> None:
    """Delete entries that expired more than a day ago.

    The oldest files are checked first.
    """
    with contextlib.suppress(OSError):
        for path in sorted(cache.folder.glob("*.json"), key=_age)[:_MOST]:
            if _is_over(cache, path.stem, now):
                # Under its lock, check again: the previous holder may have replaced it.
                with contextlib.suppress(UserFacingError, OSError), cache.alone(path.stem, seconds=0):
                    if _is_over(cache, path.stem, now):
                        cache.drop(path.stem)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # Another process has just deleted it.


def _is_over(cache: "CredentialCache", key: str, now: datetime) -> bool:
    kept = cache.look(key)
    if kept is None or kept.expires is None or (kept.in_keyring and not cache.keyring):
        return False  # The keyring is switched off, so do not access it, not even to delete.
    return kept.expires < now - SHOWN
