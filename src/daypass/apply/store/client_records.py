"""OpenID Connect clients for sign-in in a file: their records.

A file never contains the secret of a client: it names one. Keys of private_key_jwt are made in the store and are not
part of a file. Owns reading and changing the records; the rules are in operations/oidc_client_changes.py, which the
operators' command uses too.
"""

from typing import Any

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.secret_names import require_given
from daypass.apply.file.state import ClientSecretValue, Thing
from daypass.apply.store.api import Api
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.directory.secret_box import SecretBox
from daypass.mint.secret import Secret
from daypass.operations.oidc_client_changes import (
    OidcClientError,
    OidcClientSettings,
    add_client,
    change_client,
    find_client_record,
    remove_client,
)

# Attribute of a file -> setting of a client.
_SETTINGS = {
    "authentication": "authentication",
    "keyAlgorithm": "key_algorithm",
    "responseMode": "response_mode",
    "scopes": "scopes",
    "label": "label",
    "logo": "logo",
    "order": "order",
}
_CREDENTIALS = ("authentication", "secret")
CLIENT_ATTRIBUTES = (*_SETTINGS, "secret")


def read_client(client: OidcSignInClient, vault: SecretBox) -> Thing:
    """Return a client of the store."""
    attributes: dict[str, Any] = {name: getattr(client, field) for name, field in _SETTINGS.items()}
    if client.sealed_secret:
        secret = Secret(vault.decrypt(client.sealed_secret, bound_to=client.secret_name).decode())
        attributes["secret"] = ClientSecretValue(secret, secret_reference(client))
    attributes |= {"issuer": client.issuer, "clientId": client.client_id, "scopes": list(client.scopes)}
    return Thing(client.account, "oidcClient", client.name, attributes, id=client.id)


def secret_reference(client: OidcSignInClient) -> str:
    """Return the name under which an exported file refers to the secret.

    The end of the name tells clients apart whose names differ only in punctuation.
    """
    plain = "".join(each if each.isalnum() else "_" for each in client.name)
    return f"oidc_{plain[:40]}_{client.key[:8]}"


def create_client(thing: Thing, api: Api) -> None:
    """Register a client. Raises ApplyFileError."""
    ctx = api.ctx
    try:
        client = add_client(
            ctx.writer,
            thing.account,
            thing.name,
            issuer=thing.value("issuer"),
            client_id=thing.value("clientId"),
            settings=_settings(thing, {name: thing.value(name) for name in thing.attributes if name in _ALL}),
            vault=ctx.vault,
            now=ctx.now,
            most=ctx.settings.quotas.oidc_clients,
        )
    except OidcClientError as error:
        raise ApplyFileError(thing.place, str(error), refused=True) from error
    _note(api, "CreateOidcClient", client)


def change_client_setting(thing: Thing, api: Api, attribute: str, after: Any) -> None:
    """Change one attribute. Raises ApplyFileError.

    The method and the secret change together: neither is valid without the other.
    """
    given = {attribute: after}
    if attribute in _CREDENTIALS:
        given = {name: thing.attributes[name] for name in _CREDENTIALS if name in thing.attributes} | given
    ctx, client = api.ctx, _get(thing, api)
    try:
        new = change_client(ctx.writer, client, _settings(thing, given), vault=ctx.vault, now=ctx.now)
    except OidcClientError as error:
        raise ApplyFileError(thing.place_of(attribute), str(error), refused=True) from error
    if new != client:
        _note(api, "UpdateOidcClient", new)


def delete_client(thing: Thing, api: Api) -> None:
    """Remove a client. Raises ApplyFileError."""
    client = _get(thing, api)
    remove_client(api.ctx.writer, client)
    _note(api, "DeleteOidcClient", client)


_ALL = frozenset(CLIENT_ATTRIBUTES)


def _settings(thing: Thing, given: dict[str, Any]) -> OidcClientSettings:
    values = {_SETTINGS[name]: value for name, value in given.items() if name in _SETTINGS}
    if "scopes" in values:
        values["scopes"] = tuple(values["scopes"])
    if "secret" not in given:
        return OidcClientSettings(**values)
    wanted: ClientSecretValue | None = given["secret"]
    if wanted is None:
        return OidcClientSettings(**values, drops_secret=True)
    return OidcClientSettings(**values, secret=require_given(wanted.secret, wanted.name, thing.place_of("secret")))


def _get(thing: Thing, api: Api) -> OidcSignInClient:
    found = find_client_record(api.ctx.reader, thing.account, thing.name)
    if found is None:
        raise ApplyFileError(thing.place, "the client does not exist")
    return found


def _note(api: Api, event: str, client: OidcSignInClient) -> None:
    api.note(
        client.account,
        event,
        {
            "Name": client.name,
            "Issuer": client.issuer,
            "ClientId": client.client_id,
            "Authentication": client.authentication or "auto",
        },
    )
