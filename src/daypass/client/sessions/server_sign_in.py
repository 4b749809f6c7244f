"""The sign-in at a server.

All profiles of the server get their credentials from it.

Owns the file of each server's sign-in, which only its owner can read, the rule of one refresh at a time, and minting
the credentials of a role. With `DAYPASS_KEYRING=1` the tokens are in the keyring and the file has the other members.

- The id is random and new for each sign-in. It is part of cache keys: sessions of another person are not served.
- A token is refreshed under a lock, after the file was read again: another process may have refreshed it.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daypass.client.credential_request import CredentialRequest
from daypass.client.credentials import Credentials
from daypass.client.operating_system import is_of_another_user, replace_file
from daypass.client.problems import BadUsageError, LockedError, SignInNeededError, UserFacingError
from daypass.client.roles import account_of, role_arns, role_name
from daypass.client.sessions.cache import CachedCredentials, CredentialCache
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sha256 import sha256_hex

_SPARE_SECONDS = 60.0
# A registration must outlast the sign-in that uses it, or the sign-in cannot be refreshed. Servers keep it for 90 days.
_LONGEST_SIGN_IN = 7 * 86_400.0
_LARGEST = 65_536
_SECRETS = ("client_secret", "access", "refresh")
# Settings of a request that the server cannot apply to a role of a sign-in.
_LIMITS = {
    "duration": "--duration",
    "policy": "--policy",
    "policy_arns": "--policy-arn",
    "session_name": "--session-name",
    "external_id": "--external-id",
    "source_identity": "--source-identity",
    "tags": "--tag",
    "transitive_tags": "--transitive-tag",
}


@dataclass(frozen=True, slots=True)
class ServerSignIn:
    """A sign-in at a server.

    Times are seconds of the epoch; `ends` is 0 if the server does not say its end.
    """

    id: str
    server: str
    client_id: str
    client_secret: str
    client_ends: float
    access: str
    access_ends: float
    refresh: str
    ends: float = 0.0

    def __repr__(self) -> str:
        return f"ServerSignIn({self.server})"


class SignInStore:
    """The folder of the sign-ins, beside that of the credentials."""

    def __init__(self, cache: CredentialCache) -> None:
        self._folder = cache.folder.parent / "sign-ins"
        self._keyring = cache.keyring

    def find(self, server: str) -> ServerSignIn | None:
        """Return the sign-in at a server with its tokens, or None."""
        document = _load(self._path(server))
        if document is not None and document.get("in_keyring"):
            document |= self._from_keyring(server)
        return _parsed(document, server)

    def find_id(self, server: str) -> str:
        """Return the id of the sign-in at a server, or an empty string.

        The keyring is not read.
        """
        document = _load(self._path(server)) or {}
        return str(document.get("id", "")) if document.get("server") == server_name(server) else ""

    def each(self) -> Iterator[ServerSignIn]:
        """Yield the sign-ins, without their tokens if those are in the keyring."""
        for path in sorted(self._folder.glob("*.json")):
            document = _load(path)
            server = str((document or {}).get("server", ""))
            found = _parsed({**dict.fromkeys(_SECRETS, ""), **(document or {})}, server)
            if found is not None and self._path(server) == path:
                yield found

    def keep(self, found: ServerSignIn) -> None:
        """Store a sign-in. The existing file is replaced atomically."""
        document: dict[str, Any] = {name: getattr(found, name) for name in found.__dataclass_fields__}
        document["in_keyring"] = self._keyring
        if self._keyring:
            from daypass.client.sessions.secret_keeper import keep_secret

            keep_secret(_secret_name(found.server), json.dumps({name: document.pop(name) for name in _SECRETS}))
        self._write(self._path(found.server), document)

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.unlink(missing_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
            replace_file(beside, path)
        except OSError as error:
            raise LockedError(
                f"{self._folder} cannot be written: {error.strerror}. Set DAYPASS_CACHE_DIR to another folder."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)

    def drop(self, server: str) -> None:
        """Delete the sign-in at a server, in the keyring too."""
        document = _load(self._path(server))
        if document is not None and document.get("in_keyring"):
            from daypass.client.sessions.secret_keeper import drop_secret

            drop_secret(_secret_name(server_name(server)))
        self._path(server).unlink(missing_ok=True)

    def find_registration(self, server: str, now: float) -> tuple[str, str, float] | None:
        """Return the registration of this program, or None.

        It consists of the client ID, the client secret and the end.
        """
        document = _load(self._path(server).with_suffix(".client"))
        if document is None or document.get("server") != server_name(server):
            return None
        try:
            found = str(document["client_id"]), str(document["client_secret"]), float(document["client_ends"])
        except (KeyError, TypeError, ValueError):
            return None
        return found if now < found[2] else None

    def keep_registration(self, server: str, client_id: str, client_secret: str, client_ends: float) -> None:
        """Store the registration for all sign-ins.

        It proves nothing about a person.
        """
        document = {
            "server": server_name(server),
            "client_id": client_id,
            "client_secret": client_secret,
            "client_ends": client_ends,
        }
        self._write(self._path(server).with_suffix(".client"), document)

    def alone(self, server: str) -> contextlib.AbstractContextManager[None]:
        """Return a context in which no other process refreshes this sign-in."""
        from daypass.client.file_lock import locked

        return locked(self._path(server).with_suffix(".lock"), what="another refresh of this sign-in")

    def _path(self, server: str) -> Path:
        return self._folder / f"{sha256_hex(server_name(server).encode())}.json"

    def _from_keyring(self, server: str) -> dict[str, Any]:
        from daypass.client.sessions.secret_keeper import find_secret

        try:
            found = json.loads(find_secret(_secret_name(server_name(server))) or "null")
        except ValueError:
            return {}
        except UserFacingError:
            if self._keyring:
                raise
            return {}  # The keyring is switched off: the person signs in again.
        return found if isinstance(found, dict) else {}


def server_name(server: str) -> str:
    """Return the URL by which the sign-in of a server is stored."""
    return server.rstrip("/")


def registered(server: str, client_context: ClientContext) -> Any:
    """Return the registration of this program.

    Returns None if the server does not have the API. Servers limit the registrations of a network, so one is kept as
    long as the server knows it.
    """
    from daypass.client.sign_in import sso_api

    store, now = SignInStore(client_context.cache), client_context.now().timestamp()
    found = store.find_registration(server, now + _LONGEST_SIGN_IN)
    if found is not None:
        client = sso_api.Registration(*found)
        if sso_api.is_registered(server, client):
            return client
    new = sso_api.register(server)
    if new is not None:
        store.keep_registration(server, new.client_id, new.client_secret, new.ends)
    return new


def begin(server: str, client: Any, tokens: Any, client_context: ClientContext) -> ServerSignIn:
    """Store a new sign-in, and return it."""
    import secrets

    found = ServerSignIn(
        id=secrets.token_hex(16),
        server=server_name(server),
        client_id=client.client_id,
        client_secret=client.client_secret,
        client_ends=client.ends,
        access=tokens.access,
        access_ends=client_context.now().timestamp() + tokens.expires_in,
        refresh=tokens.refresh,
        ends=tokens.ends,
    )
    SignInStore(client_context.cache).keep(found)
    return found


def get_access(server: str, client_context: ClientContext, *, refused: str = "") -> str:
    """Return a valid access token of the sign-in at a server.

    `refused` is a token that the server has just refused. Raises SignInNeededError.
    """
    from daypass.client.sign_in.sso_api import over

    store = SignInStore(client_context.cache)
    found = store.find(server)
    if found is None:
        raise SignInNeededError(over(server_name(server)))
    if _is_valid(found, client_context, refused):
        return found.access
    with store.alone(server):
        found = store.find(server)
        if found is None:
            raise SignInNeededError(over(server_name(server)))
        if _is_valid(found, client_context, refused):
            return found.access
        return _refreshed(found, store, client_context).access


def _is_valid(found: ServerSignIn, client_context: ClientContext, refused: str) -> bool:
    return found.access != refused and client_context.now().timestamp() + _SPARE_SECONDS < found.access_ends


def _refreshed(found: ServerSignIn, store: SignInStore, client_context: ClientContext) -> ServerSignIn:
    from daypass.client.sign_in.sso_api import Registration, refresh

    client = Registration(found.client_id, found.client_secret, found.client_ends)
    try:
        tokens = refresh(found.server, client, found.refresh)
    except SignInNeededError:
        store.drop(found.server)
        raise
    new = replace(
        found,
        access=tokens.access,
        access_ends=client_context.now().timestamp() + tokens.expires_in,
        refresh=tokens.refresh,
        ends=tokens.ends or found.ends,
    )
    store.keep(new)
    return new


def is_of_sign_in(request: CredentialRequest, client_context: ClientContext) -> bool:
    """Return whether a stored sign-in answers the request of an older profile.

    Profiles of `daypass login` of version 0.1.0 have the method saml or oidc. Those with a token, an assertion or a
    provider of their own, and those with limits, do not use the sign-in.
    """
    if request.method not in {"saml", "oidc"} or client_context.proof or not request.endpoint_url:
        return False
    if request.issuer or request.token_file or request.token_command or request.portal_url:
        return False
    if not request.role_arn or (len(request.role_arn) == 1 and _limit_of(request)):
        return False
    return bool(SignInStore(client_context.cache).find_id(request.endpoint_url))


def role_credentials(request: CredentialRequest, client_context: ClientContext) -> Credentials:
    """Return the credentials of the first role of a completed request.

    Raises SignInNeededError if nobody is signed in at the server.
    """
    from daypass.client.sign_in import sso_api

    role = _role_of(request)
    server = server_name(request.endpoint_url)
    access = get_access(server, client_context)
    try:
        return sso_api.role_credentials(server, access, account_of(role), role_name(role))
    except SignInNeededError:
        access = get_access(server, client_context, refused=access)
    try:
        return sso_api.role_credentials(server, access, account_of(role), role_name(role))
    except SignInNeededError:
        SignInStore(client_context.cache).drop(server)
        raise


def from_sign_in(request: CredentialRequest, client_context: ClientContext, key: str) -> CachedCredentials:
    """Return the cache entry of a role of the sign-in."""
    credentials = role_credentials(request, client_context)
    return CachedCredentials(key, credentials, request.profile, role_session_arn(request), request.endpoint_url)


def role_session_arn(request: CredentialRequest) -> str:
    """Return the ARN of the sessions of the first role.

    It lacks the session's name, which the server chooses.
    """
    role = _role_of(request)
    return f"arn:aws:sts::{account_of(role)}:assumed-role/{role_name(role)}"


def roles_of_sign_in(server: str, client_context: ClientContext) -> tuple[Any, ...]:
    """Return the roles that the person can take at a server."""
    from daypass.client.sign_in import sso_api

    access = get_access(server, client_context)
    try:
        return sso_api.list_roles(server_name(server), access)
    except SignInNeededError:
        return sso_api.list_roles(server_name(server), get_access(server, client_context, refused=access))


def end_sign_in(server: str, client_context: ClientContext) -> None:
    """End the sign-in here and at the server.

    It ends here even if the server cannot be reached, which is raised.
    """
    from daypass.client.sign_in import sso_api

    store = SignInStore(client_context.cache)
    try:
        sso_api.sign_out(server_name(server), get_access(server, client_context))
    except SignInNeededError:
        return  # It has ended at the server.
    finally:
        store.drop(server)


def _role_of(request: CredentialRequest) -> str:
    if not request.role_arn:
        raise BadUsageError("Name a role with --role ARN.")
    if len(request.role_arn) == 1 and _limit_of(request):
        raise BadUsageError(
            f"{_limit_of(request)} does not apply to a role of a sign-in. Use it with a role that this one assumes."
        )
    return role_arns(request.role_arn[:1])[0]


def _limit_of(request: CredentialRequest) -> str:
    """Return the first option of the request that needs a call of AssumeRole, or an empty string."""
    return next((option for name, option in _LIMITS.items() if getattr(request, name)), "")


def _secret_name(server: str) -> str:
    return f"sign-in {server}"


def _parsed(document: dict[str, Any] | None, server: str) -> ServerSignIn | None:
    if document is None or document.get("server") != server_name(server):
        return None
    try:
        texts = {name: str(document[name]) for name in ("id", "server", "client_id", *_SECRETS)}
        times = {name: float(document[name]) for name in ("client_ends", "access_ends", "ends")}
        return ServerSignIn(**texts, **times)  # type: ignore[arg-type] # the names are those of the fields
    except (KeyError, TypeError, ValueError, UserFacingError):
        return None


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            if is_of_another_user(file.fileno()):
                return None
            document = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
