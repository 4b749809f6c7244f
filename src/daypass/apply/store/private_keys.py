"""The private keys and the encryption mode of SAML providers.

Owns the order of additions and removals: a provider that requires encryption always has a key. A file names a key by
its fingerprint and never contains it. Quota, encryption at rest and audit are those of UpdateSAMLProvider.
"""

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.secret_names import require_given
from daypass.apply.file.state import PrivateKeyValue, Thing
from daypass.apply.plan.differences import Difference
from daypass.apply.store.api import Api
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.saml_providers import find_provider
from daypass.directory.secret_box import SecretBox
from daypass.errors import InvalidInput
from daypass.federation.saml.private_key import fingerprint, parse_private_key


def held_keys(provider: SamlProvider, vault: SecretBox) -> dict[str, PrivateKeyValue]:
    """Return the keys of a provider by fingerprint."""
    return {
        fingerprint(parse_private_key(vault.decrypt(key.sealed, bound_to=provider.key_name(key.id)).decode("ascii"))): (
            PrivateKeyValue(id=key.id)
        )
        for key in provider.keys
    }


def set_encryption_mode(thing: Thing, api: Api, mode: str) -> None:
    """Change whether assertions must be encrypted.

    The first key is added before. Raises ApplyFileError.
    """
    if mode == "Required":
        _leave_one(thing, api, least=1)
    _update(thing, api, "encryptionMode", AssertionEncryptionMode=mode)


def put_private_key(thing: Thing, part: Difference, api: Api) -> None:
    """Add a key unless it exists. Raises ApplyFileError."""
    if part.part not in _held(thing, api):
        _add(thing, part.part, part.after, api)


def remove_private_key(thing: Thing, part: Difference, api: Api) -> None:
    """Remove a key.

    A last key's replacement is added first. Raises ApplyFileError.
    """
    _leave_one(thing, api, least=2)
    _update(thing, api, "privateKeys", RemovePrivateKey=part.before.id)


def _leave_one(thing: Thing, api: Api, *, least: int) -> None:
    held = _held(thing, api)
    missing = [(named, key) for named, key in thing.value("privateKeys").items() if named not in held]
    if len(held) < least and missing:
        _add(thing, *missing[0], api)


def _held(thing: Thing, api: Api) -> dict[str, PrivateKeyValue]:
    provider = find_provider(api.ctx.reader, thing.arn)
    if provider is None:
        raise ApplyFileError(thing.place, "the provider does not exist")
    return held_keys(provider, api.ctx.vault)


def _add(thing: Thing, named: str, key: PrivateKeyValue, api: Api) -> None:
    place = thing.place_of("privateKeys").below(named)
    text = require_given(key.secret, key.name, place).text
    try:
        found = fingerprint(parse_private_key(text))
    except (InvalidInput, UnicodeEncodeError) as error:
        words = getattr(error, "detail", "") or "the private key is not in PEM form"
        raise ApplyFileError(place, f"the secret {key.name} cannot be used: {words}") from None
    if found != named:
        raise ApplyFileError(place, f"the secret {key.name} is a different key: {found}")
    _update(thing, api, "privateKeys", AddPrivateKey=text)


def _update(thing: Thing, api: Api, attribute: str, **params: str) -> None:
    named = {"SAMLProviderArn": thing.arn, **params}
    api.call(thing.account, "UpdateSAMLProvider", named, thing.place_of(attribute))
