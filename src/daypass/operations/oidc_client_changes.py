"""Register, change and remove OpenID Connect clients of an account.

Owns the rules of a registration, its secret and its keys. The operator's command, `daypass apply` and the operator
console use it; each of them checks who may do this. The rules:

- The issuer and the client id never change: they are what people and links refer to.
- A secret or a private key is encrypted at rest under the master key before it is stored.
- A method that needs a secret or a key is only stored with it, and other credentials are dropped.
- A new key is published before it signs, so that the provider knows it in time.

Source: RFC 6749 sections 2.3 and 3.3; OpenID Connect Core 1.0 section 9.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, get_args

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.entities.oidc_entities import ClientAuthentication, OidcClientKey, OidcSignInClient
from daypass.directory.secret_box import SecretBox, SecretDecryptionError
from daypass.directory.store import Reader, RecordExistsError, Writer
from daypass.federation.oidc.issuers.client_assertion import LIFETIME
from daypass.federation.oidc.provider import is_issuer_url
from daypass.federation.oidc.verify import is_plain_text
from daypass.mint.jwt_signing import JwtKey, public_jwk
from daypass.mint.key_ring import SKEW, drop_expired
from daypass.mint.secret import Secret
from daypass.operations.oidc_clients import key_ring
from daypass.operations.settings import LOGO_FORM, is_logo

AUTHENTICATIONS: tuple[str, ...] = tuple(filter(None, get_args(ClientAuthentication)))
LONGEST_CLIENT_ID, LONGEST_LABEL, LONGEST_SECRET, MOST_SCOPES, LAST_ORDER = 255, 64, 1_024, 20, 9_999
LONGEST_LOGO = 16_384
SCOPE = r"[!#-\[\]-~]{1,128}"
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}")
_SCOPE = re.compile(SCOPE)
_RSA_BITS = 3_072
_WITH_SECRET = frozenset({"client_secret_basic", "client_secret_post"})


_OF_SECRET = frozenset({"secret", "drops_secret"})


class OidcClientError(Exception):
    """A registration that is not valid.

    The message says why, and never contains a secret.
    """


class OidcClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a client that can change.

    None leaves a setting as it is. `drops_secret` removes the secret.
    """

    authentication: str | None = None
    secret: Secret | None = None
    key_algorithm: str | None = None
    scopes: tuple[str, ...] | None = None
    response_mode: str | None = None
    label: str | None = None
    logo: str | None = None
    order: int | None = None
    drops_secret: bool = False

    def given(self) -> Mapping[str, Any]:
        """Return the settings of the record that are given, without the secret."""
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _OF_SECRET}
        return {name: value for name, value in values.items() if value is not None}


def find_client_record(reader: Reader, account: str, name: str) -> OidcSignInClient | None:
    """Return an account's client by its name, or None."""
    return records.find(reader, OidcSignInClient, account, name)


def add_client(  # noqa: PLR0913 - the identity of a client, its settings, and what a new key needs
    writer: Writer,
    account: str,
    name: str,
    *,
    issuer: str,
    client_id: str,
    settings: OidcClientSettings,
    vault: SecretBox,
    now: datetime,
    most: int,
) -> OidcSignInClient:
    """Store a new client. Raises OidcClientError."""
    if not _NAME.fullmatch(name):
        raise OidcClientError(f"{name!r} is not a valid name: use up to 128 letters, digits and any of _+=,.@-")
    if not is_issuer_url(issuer):
        raise OidcClientError(f"{issuer!r} is not a valid issuer: it is an https URL without a query.")
    if not is_plain_text(client_id, LONGEST_CLIENT_ID):
        raise OidcClientError(f"A client id has 1 to {LONGEST_CLIENT_ID} printable characters.")
    if records.find(writer, Account, "", account) is None:
        raise OidcClientError(f"Account {account} does not exist.")
    if writer.count(records.kind_name(OidcSignInClient), account) >= most:
        raise OidcClientError(f"Account {account} has {most} OpenID Connect clients, which is the maximum.")
    bare = OidcSignInClient(
        account=account, name=name, issuer=issuer, client_id=client_id, created=now.replace(microsecond=0)
    )
    client = _with(bare, settings, vault, now)
    try:
        records.insert(writer, client)
    except RecordExistsError:
        raise OidcClientError(
            f"Account {account} has a client named {name}, or one of the same issuer and client id, already."
        ) from None
    return client


def change_client(
    writer: Writer, client: OidcSignInClient, settings: OidcClientSettings, *, vault: SecretBox, now: datetime
) -> OidcSignInClient:
    """Store a client with changed settings. Raises OidcClientError."""
    new = _with(client, settings, vault, now)
    if new != client:
        records.replace(writer, new)
    return new


def remove_client(writer: Writer, client: OidcSignInClient) -> None:
    """Delete a client. It signs nobody in any longer."""
    records.delete(writer, client)


def rotate_client_key(
    writer: Writer, client: OidcSignInClient, *, after: int, vault: SecretBox, now: datetime
) -> OidcSignInClient:
    """Store a new key that signs in `after` seconds.

    Keys whose last assertion has expired are deleted.

    With `after` 0, a key that waits signs now, and only without one a new key is made. Raises OidcClientError if the
    client does not use keys, or if a key waits already.
    """
    if client.authentication != "private_key_jwt":
        raise OidcClientError(f"{client.name} does not authenticate with private_key_jwt.")
    instant = int(now.timestamp())
    waiting = [key for key in client.keys if key.activates > instant]
    if waiting and after:
        raise OidcClientError(f"The key {waiting[0].id} waits already. Use it with --now.")
    kept = tuple(key.material for key in drop_expired(key_ring(client), now=instant, longest=LIFETIME).keys)
    if waiting:
        kept = tuple(msgspec.structs.replace(key, activates=instant) if key in waiting else key for key in kept)
    else:
        kept = (*kept, _new_key(client, created=instant, activates=instant + after, vault=vault))
    new = msgspec.structs.replace(client, keys=kept)
    records.replace(writer, new)
    return new


def _with(client: OidcSignInClient, settings: OidcClientSettings, vault: SecretBox, now: datetime) -> OidcSignInClient:
    """Return a client with other settings. Raises OidcClientError."""
    new = msgspec.structs.replace(client, **settings.given())
    _check(new)
    if settings.drops_secret:
        new = msgspec.structs.replace(new, sealed_secret=b"")
    if settings.secret is not None and not _is_stored(client, settings.secret, vault):
        sealed = vault.encrypt(_checked_secret(settings.secret).encode(), bound_to=client.secret_name)
        new = msgspec.structs.replace(new, sealed_secret=sealed)
    if new.authentication == "none" and settings.secret is not None:
        raise OidcClientError("A client with the method none does not have a secret.")
    if new.authentication == "private_key_jwt":
        return _with_key(new, settings, vault, int(now.timestamp()))
    if new.authentication in _WITH_SECRET and not new.sealed_secret:
        raise OidcClientError(f"The method {new.authentication} needs the secret of the client.")
    dropped = {"sealed_secret": b""} if new.authentication == "none" else {}
    return msgspec.structs.replace(new, keys=(), **dropped)


def _with_key(client: OidcSignInClient, settings: OidcClientSettings, vault: SecretBox, now: int) -> OidcSignInClient:
    """Return a client with its first key, or with the keys that it has."""
    if settings.secret is not None:
        raise OidcClientError("A client with the method private_key_jwt does not have a secret: it has a key.")
    keys = client.keys
    if not keys:
        # Active on a node with a slow clock too.
        keys = (_new_key(client, created=now, activates=now - SKEW, vault=vault),)
    return msgspec.structs.replace(client, sealed_secret=b"", keys=keys)


def _is_stored(client: OidcSignInClient, secret: Secret, vault: SecretBox) -> bool:
    """Return whether a client has this secret already: it is not sealed again."""
    try:
        held = vault.decrypt(client.sealed_secret, bound_to=client.secret_name) if client.sealed_secret else b""
    except SecretDecryptionError:
        return False
    return bool(held) and Secret(held.decode()) == secret


def _check(client: OidcSignInClient) -> None:
    if client.authentication and client.authentication not in AUTHENTICATIONS:
        raise OidcClientError(f"The method is one of {', '.join(AUTHENTICATIONS)}.")
    if client.key_algorithm not in {"ES256", "RS256"}:
        raise OidcClientError("The algorithm of keys is ES256 or RS256.")
    if client.response_mode not in {"", "query", "form_post"}:
        raise OidcClientError("The response mode is query or form_post.")
    if len(client.scopes) > MOST_SCOPES or not all(_SCOPE.fullmatch(scope) for scope in client.scopes):
        raise OidcClientError(f"A client has at most {MOST_SCOPES} scopes, of visible ASCII characters.")
    if len(client.label) > LONGEST_LABEL or not client.label.isprintable():
        raise OidcClientError(f"A label has at most {LONGEST_LABEL} printable characters.")
    if len(client.logo) > LONGEST_LOGO or (client.logo and not is_logo(client.logo)):
        raise OidcClientError(f"The logo is {LOGO_FORM}, of at most {LONGEST_LOGO} characters.")
    if not 0 <= client.order <= LAST_ORDER:
        raise OidcClientError(f"The order is a number from 0 to {LAST_ORDER}.")


def _checked_secret(secret: Secret) -> str:
    if not is_plain_text(secret.text, LONGEST_SECRET):
        raise OidcClientError(f"A secret has 1 to {LONGEST_SECRET} printable characters.")
    return secret.text


def _new_key(client: OidcSignInClient, *, created: int, activates: int, vault: SecretBox) -> OidcClientKey:
    private: JwtKey
    if client.key_algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    form = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key_id = sha256(public).hexdigest()[:16]
    return OidcClientKey(
        id=key_id,
        sealed_private=vault.encrypt(form, bound_to=client.key_name(key_id)),
        public=public_jwk(private),
        created=created,
        activates=activates,
    )
