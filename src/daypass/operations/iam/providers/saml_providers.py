"""SAML providers: create, get, update, list, delete.

Owns their limits and how AWS shows them. federation/saml decides whether a metadata document or a private key is valid.
context_providers.py owns the rules of trusted identity propagation. A private key is sealed before it is stored, and
never shown. Only an operator can relax the verification to AWS's weaker rules (`daypass saml set`), not an IAM action.
Source: IAM API Reference; AWS's recorded answers.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.saml_entities import EncryptionMode, ProviderKey, SamlProvider
from daypass.directory.saml_providers import (
    delete_provider,
    find_provider,
    insert_provider,
    provider_name,
    replace_provider,
)
from daypass.directory.store import Reader
from daypass.errors import Fault, InvalidInput, LimitExceeded, NoSuchEntity
from daypass.federation.saml.metadata import IdentityProviderMetadata, read_metadata, require_current
from daypass.federation.saml.private_key import parse_private_key
from daypass.federation.saml.signature import key_hash
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import AboutArn, CreateWithTags, IamAction, IamParams, Nothing
from daypass.operations.iam.lookup import check_quota
from daypass.operations.iam.providers.context_providers import (
    NewPropagationParams,
    PropagationParams,
    changed_provider,
    changes_context,
    propagation_keys,
    read_new_provider,
    show_context_provider,
    stored_issuer_keys,
)
from daypass.operations.iam.tag_actions import ListTags, TaggedKind, TagThing, UntagThing
from daypass.operations.iam.tags import EXACT, Tag
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_summaries import metadata_of, summarize
from daypass.policy.authorization_request import ConditionKeys, resource_tags

_MOST_KEYS = 2
_ID_BYTES = 13
_CENTURY = 100
_LEAP_DAY = (2, 29)
_TWO_CHANGES = "A request can change either the context provider or the provider metadata, but not both."
_BATCH = 5  # documents in memory at once; versions before 0.2 accepted 10,000,000 characters each


def get_provider(reader: Reader, account: str, arn: str) -> SamlProvider:
    """Return the account's provider with this ARN, or raise NoSuchEntity."""
    named = provider_name(arn)
    if named is None:
        raise InvalidInput(f"ARN {arn} is not valid.")
    found = find_provider(reader, arn) if named[0] == account else None
    if found is None:
        raise NoSuchEntity(f"Manifest not found for arn {arn}")
    return found


class _CreateSAMLProviderParams(NewPropagationParams, frozen=True, kw_only=True):
    saml_metadata_document: str = msgspec.field(name="SAMLMetadataDocument")
    name: str
    tags: tuple[Tag, ...] = ()
    assertion_encryption_mode: EncryptionMode | None = None
    add_private_key: str = ""


class CreateSAMLProvider(CreateWithTags):
    """Registers an identity provider by its metadata."""

    action, takes, tag_action = "CreateSAMLProvider", _CreateSAMLProviderParams, "iam:TagSAMLProvider"

    def resource(self, params: _CreateSAMLProviderParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the provider will have."""
        return iam_arn(caller.account, "saml-provider", "/", params.name)

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the new provider's tags, issuer and propagation."""
        issuer = _requested_issuer(params.saml_metadata_document, ctx)
        return {**super().context(params, caller, ctx), **propagation_keys(params, requested_issuer=issuer)}

    def perform(self, params: _CreateSAMLProviderParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new provider's ARN."""
        quotas = ctx.settings.quotas
        context_provider = read_new_provider(params)
        _require_room(params.saml_metadata_document, None, caller.account, ctx)
        metadata = _parse_metadata(params.saml_metadata_document, ctx)
        provider = SamlProvider(
            id="SAMLSP" + _random(ctx),
            account=caller.account,
            name=params.name,
            created=ctx.now,
            tags=tagging.read_tags(params.tags, most=quotas.tags, rule=EXACT),
            metadata=params.saml_metadata_document,
            entity_id=metadata.entity_id,
            valid_until=metadata.valid_until,
            summary=summarize(metadata, params.saml_metadata_document),
            encryption=params.assertion_encryption_mode,
            context_provider=context_provider,
        )
        if params.add_private_key:
            provider = _with_key(provider, params.add_private_key, ctx)
        _require_openable(provider)
        most = quotas.providers
        check_quota(ctx.reader, SamlProvider, caller.account, name="SAMLProvidersPerAccount", most=most)
        insert_provider(ctx.writer, provider)
        return {"SAMLProviderArn": provider.arn, **tagging.echoed(params.tags)}


class _ProviderNamed(IamParams, frozen=True):
    arn: str = msgspec.field(name="SAMLProviderArn")


class _SAMLProviderAction(AboutArn):
    """The base class of actions about one existing provider."""

    takes: type[IamParams] = _ProviderNamed

    def find(self, reader: Reader, account: str, arn: str) -> SamlProvider | None:
        """Return the account's provider with this ARN, or None."""
        found = find_provider(reader, arn)
        return found if found is not None and found.account == account else None

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the provider's tags and issuer."""
        found = self.find(ctx.reader, caller.account, params.arn)
        return {} if found is None else {**resource_tags(found.tags), **stored_issuer_keys(found.entity_id)}


class GetSAMLProvider(_SAMLProviderAction):
    """Shows a provider."""

    action = "GetSAMLProvider"

    def perform(self, params: _ProviderNamed, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the provider with its metadata and the ids of its private keys."""
        provider = get_provider(ctx.reader, caller.account, params.arn)
        return {
            "SAMLProviderUUID": provider.id,
            "SAMLMetadataDocument": provider.metadata,
            "CreateDate": provider.created,
            "ValidUntil": _shown_end(provider),
            "Tags": tagging.show_tags(provider.tags),
            "AssertionEncryptionMode": provider.encryption or "Allowed",
            "PrivateKeyList": [{"KeyId": key.id, "Timestamp": key.created} for key in provider.keys],
            **_show_key_hashes(provider),
            **show_context_provider(provider.context_provider),
        }


class _UpdateSAMLProviderParams(PropagationParams, frozen=True, kw_only=True):
    arn: str = msgspec.field(name="SAMLProviderArn")
    saml_metadata_document: str | None = msgspec.field(name="SAMLMetadataDocument", default=None)
    assertion_encryption_mode: EncryptionMode | None = None
    add_private_key: str = ""
    remove_private_key: str = ""


class UpdateSAMLProvider(_SAMLProviderAction):
    """Changes a provider's metadata, keys, encryption or propagation.

    From the next request on, only certificates in the new metadata verify assertions. To rotate one, a provider lists
    the old and the new one for a time.
    """

    action, takes, access = "UpdateSAMLProvider", _UpdateSAMLProviderParams, StoreAccess.WRITE

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the provider's tags and issuers, and whether it will propagate."""
        issuer = _requested_issuer(params.saml_metadata_document or "", ctx)
        return {**super().context(params, caller, ctx), **propagation_keys(params, requested_issuer=issuer)}

    def perform(self, params: _UpdateSAMLProviderParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the provider's ARN."""
        propagates_anew = changes_context(params)
        if propagates_anew and _changes_provider(params):
            raise InvalidInput(_TWO_CHANGES)
        old = get_provider(ctx.reader, caller.account, params.arn)
        new = old
        if propagates_anew:
            new = msgspec.structs.replace(new, context_provider=changed_provider(params))
        if params.saml_metadata_document is not None:
            _require_room(params.saml_metadata_document, old, caller.account, ctx)
            metadata = _parse_metadata(params.saml_metadata_document, ctx)
            new = msgspec.structs.replace(
                new,
                metadata=params.saml_metadata_document,
                entity_id=metadata.entity_id,
                valid_until=metadata.valid_until,
                summary=summarize(metadata, params.saml_metadata_document),
            )
        if params.assertion_encryption_mode is not None:
            new = msgspec.structs.replace(new, encryption=params.assertion_encryption_mode)
        if params.remove_private_key:
            new = _without_key(new, params.remove_private_key)
        if params.add_private_key:
            new = _with_key(new, params.add_private_key, ctx)
        _require_openable(new)
        replace_provider(ctx.writer, old, new)
        return {"SAMLProviderArn": new.arn}


class ListSAMLProviders(IamAction[Nothing]):
    """Lists the account's providers."""

    action, takes = "ListSAMLProviders", Nothing

    def resource(self, params: Nothing, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN pattern of all providers of the account."""
        return iam_arn(caller.account, "saml-provider", "/", "*")

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return all providers without their tags, as AWS does."""
        found = records.each(ctx.reader, SamlProvider, caller.account, batch=_BATCH)
        return {"SAMLProviderList": [_listed(provider) for provider in found]}


class DeleteSAMLProvider(_SAMLProviderAction):
    """Deletes a provider.

    Roles that name it stay, but they no longer trust any of its assertions.
    """

    action, access = "DeleteSAMLProvider", StoreAccess.WRITE

    def perform(self, params: _ProviderNamed, caller: Caller, ctx: RequestContext) -> None:
        """Delete the provider."""
        delete_provider(ctx.writer, get_provider(ctx.reader, caller.account, params.arn))


def _require_room(document: str, old: SamlProvider | None, account: str, ctx: RequestContext) -> None:
    """Refuse metadata that exceeds a quota.

    A document that does not grow is never refused.
    """
    if old is not None and len(document) <= len(old.metadata):
        return
    quotas = ctx.settings.quotas
    if len(document) > quotas.saml_metadata_characters:
        raise LimitExceeded(f"Cannot exceed quota for SAMLMetadataSize: {quotas.saml_metadata_characters}")
    left = quotas.saml_metadata_account_characters - len(document)
    for other in records.each(ctx.reader, SamlProvider, account, batch=_BATCH):
        if old is None or other.id != old.id:
            left -= len(other.metadata)
        if left < 0:
            break
    if left < 0:
        raise LimitExceeded(
            f"Cannot exceed quota for SAMLMetadataSizePerAccount: {quotas.saml_metadata_account_characters}"
        )


def _with_key(provider: SamlProvider, pem: str, ctx: RequestContext) -> SamlProvider:
    parse_private_key(pem)
    if len(provider.keys) >= _MOST_KEYS:
        raise LimitExceeded(f"Cannot exceed quota for PrivateKeysPerSAMLProvider: {_MOST_KEYS}")
    key_id = "SAMLPK" + _random(ctx)
    sealed = ctx.vault.encrypt(pem.encode("ascii"), bound_to=provider.key_name(key_id))
    key = ProviderKey(id=key_id, created=ctx.now, sealed=sealed)
    return msgspec.structs.replace(provider, keys=(*provider.keys, key))


def _without_key(provider: SamlProvider, key_id: str) -> SamlProvider:
    kept = tuple(key for key in provider.keys if key.id != key_id)
    if len(kept) == len(provider.keys):
        raise NoSuchEntity(f"Private key {key_id} not found for arn {provider.arn}")
    return msgspec.structs.replace(provider, keys=kept)


def _require_openable(provider: SamlProvider) -> None:
    """Refuse to require encrypted assertions without a private key."""
    if provider.encryption == "Required" and not provider.keys:
        raise InvalidInput("AssertionEncryptionMode Required needs a private key. Add one with AddPrivateKey.")


def _changes_provider(params: _UpdateSAMLProviderParams) -> bool:
    """Return whether a request changes what AWS calls the provider metadata."""
    new_values = (params.saml_metadata_document, params.assertion_encryption_mode)
    return any(value is not None for value in new_values) or bool(params.add_private_key or params.remove_private_key)


def _requested_issuer(document: str, ctx: RequestContext) -> str:
    """Return the issuer in a request's metadata, or "" if it is not valid."""
    if not document or len(document) > ctx.settings.quotas.saml_metadata_characters:
        return ""
    try:
        return _read_once(document).entity_id
    except Fault:
        return ""  # The action refuses the document.


def _parse_metadata(document: str, ctx: RequestContext) -> IdentityProviderMetadata:
    """Return the content of a document that is valid now, or raise InvalidInput."""
    try:
        return require_current(_read_once(document), now=ctx.now)
    finally:
        _read_once.cache_clear()  # A large document does not stay in memory.


@lru_cache(maxsize=1)
def _read_once(document: str) -> IdentityProviderMetadata:
    # The authorization needs the issuer, and the action the rest. A large document takes long to parse.
    return read_metadata(document)


def _show_key_hashes(provider: SamlProvider) -> dict[str, Any]:
    """Return the hashes of the signing keys, by which aws:OriginIdentity/Issuer names one."""
    try:
        hashes = [key_hash(each.key) for each in metadata_of(provider).signing_keys]
    except Fault:
        return {}  # The metadata of an earlier version cannot be read, and the provider can still be shown.
    return {"SAMLKeyHashes": [{"IssuerURL": provider.entity_id, "KeyHashes": list(dict.fromkeys(hashes))}]}


def _listed(provider: SamlProvider) -> dict[str, Any]:
    return {
        "Arn": provider.arn,
        "ValidUntil": _shown_end(provider),
        "CreateDate": provider.created,
        "IsTrustedIdentityPropagationEnabled": provider.context_provider is not None,
    }


def _shown_end(provider: SamlProvider) -> datetime:
    """Return when the metadata expires.

    Without an end, AWS shows the date a hundred years after the provider was created.
    """
    if provider.valid_until is not None:
        return provider.valid_until
    created = provider.created
    if (created.month, created.day) == _LEAP_DAY:
        created -= timedelta(days=1)  # 29 February rarely exists a hundred years later.
    return created.replace(year=created.year + _CENTURY)


def _random(ctx: RequestContext) -> str:
    return ctx.entropy(_ID_BYTES).hex().upper()


_TAGGED = TaggedKind(
    word="SAMLProvider",
    member="SAMLProviderArn",
    rule=EXACT,
    get=lambda ctx, account, arn: get_provider(ctx.reader, account, arn),
    arn=lambda _context, _account, arn: arn,
)

OPERATIONS = (
    CreateSAMLProvider(),
    GetSAMLProvider(),
    UpdateSAMLProvider(),
    ListSAMLProviders(),
    DeleteSAMLProvider(),
    *(action(_TAGGED) for action in (TagThing, UntagThing, ListTags)),
)
