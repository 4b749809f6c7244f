"""OpenID Connect providers: create, get, list, change, delete.

Owns their limits and how AWS shows them: client ids, thumbprints, tags. federation/oidc decides which URLs are valid
issuers, and context_providers.py owns the rules of trusted identity propagation. An issuer's keys are fetched when its
first token arrives. Further claims and pinned keys go beyond AWS's rules, so only an operator can set them
(`daypass oidc`), not a caller with IAM permissions.
Source: IAM API Reference; AWS's recorded answers.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider, find_provider_name, provider_arn
from daypass.directory.store import Reader
from daypass.errors import EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from daypass.federation.oidc.issuers.known_issuers import providers_of
from daypass.federation.oidc.provider import SCHEME, is_issuer_url
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
from daypass.policy.authorization_request import ConditionKeys, resource_tags
from daypass.policy.language.known_keys import is_foreign

MOST_CLIENT_IDS = 100
MOST_THUMBPRINTS = 5
_ID_BYTES = 13
_NO_CHANGE = "The request does not change anything: specify ContextProvider or RemoveContextProvider."


def find_provider(reader: Reader, account: str, arn: str) -> OidcProvider | None:
    """Return the account's provider with this ARN, or None.

    A provider of another account counts as missing.
    """
    name = find_provider_name(arn, account)
    return None if name is None else records.find(reader, OidcProvider, account, name)


def get_provider(reader: Reader, account: str, arn: str) -> OidcProvider:
    """Return the account's provider with this ARN, or raise NoSuchEntity."""
    found = find_provider(reader, account, arn)
    if found is None:
        raise NoSuchEntity(f"OpenIDConnect Provider not found for arn {arn}")
    return found


class _CreateOpenIDConnectProviderParams(NewPropagationParams, frozen=True, kw_only=True):
    url: str
    client_ids: tuple[str, ...] = msgspec.field(name="ClientIDList", default=())
    thumbprint_list: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()


class CreateOpenIDConnectProvider(CreateWithTags):
    """Registers an issuer by its URL. The path and a final slash are kept."""

    action, takes, tag_action = (
        "CreateOpenIDConnectProvider",
        _CreateOpenIDConnectProviderParams,
        "iam:TagOpenIDConnectProvider",
    )

    def resource(self, params: _CreateOpenIDConnectProviderParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the provider will have."""
        return provider_arn(caller.account, params.url.removeprefix(SCHEME))

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the new provider's tags, issuer and propagation."""
        issuer = params.url.removeprefix(SCHEME)
        return {**super().context(params, caller, ctx), **propagation_keys(params, requested_issuer=issuer)}

    def perform(
        self, params: _CreateOpenIDConnectProviderParams, caller: Caller, ctx: RequestContext
    ) -> dict[str, Any]:
        """Return the new provider's ARN."""
        _check_url(params.url)
        _check_thumbprints(params.thumbprint_list)
        _check_client_ids(params.client_ids)
        context_provider = read_new_provider(params)
        most = ctx.settings.quotas.providers
        check_quota(ctx.reader, OidcProvider, caller.account, name="OpenIdConnectProvidersPerAccount", most=most)
        provider = OidcProvider(
            id="OIDCPR" + ctx.entropy(_ID_BYTES).hex().upper(),
            account=caller.account,
            name=params.url.removeprefix(SCHEME),
            created=ctx.now,
            client_ids=tuple(dict.fromkeys(params.client_ids)),
            thumbprints=_lowered(params.thumbprint_list),
            tags=tagging.read_tags(params.tags, most=ctx.settings.quotas.tags, rule=EXACT),
            context_provider=context_provider,
        )
        records.insert_new(ctx.writer, provider, EntityAlreadyExists(f"Provider with url {params.url} already exists."))
        return {"OpenIDConnectProviderArn": provider.arn, **tagging.echoed(params.tags)}


class _OpenIDConnectProviderParams(IamParams, frozen=True):
    arn: str = msgspec.field(name="OpenIDConnectProviderArn")


class _OpenIDConnectProviderAction(AboutArn):
    """The base class of actions about one existing provider."""

    takes: type[IamParams] = _OpenIDConnectProviderParams
    find = staticmethod(find_provider)

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the provider's tags and issuer."""
        found = find_provider(ctx.reader, caller.account, params.arn)
        return {} if found is None else {**resource_tags(found.tags), **stored_issuer_keys(found.name)}


class GetOpenIDConnectProvider(_OpenIDConnectProviderAction):
    """Shows a provider."""

    action, access = "GetOpenIDConnectProvider", StoreAccess.SHORT_READ

    def perform(self, params: _OpenIDConnectProviderParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the provider. Its URL does not have https://, as on AWS."""
        provider = get_provider(ctx.reader, caller.account, params.arn)
        return {
            "Url": provider.name,
            "ClientIDList": list(provider.client_ids),
            "ThumbprintList": list(provider.thumbprints),
            "CreateDate": provider.created,
            "Tags": tagging.show_tags(provider.tags),
            **show_context_provider(provider.context_provider),
        }


class ListOpenIDConnectProviders(IamAction[Nothing]):
    """Lists the account's providers."""

    action, takes, access = "ListOpenIDConnectProviders", Nothing, StoreAccess.SHORT_READ

    def resource(self, params: Nothing, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN pattern of all providers of the account."""
        return provider_arn(caller.account, "*")

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return their ARNs, and whether each propagates identities."""
        found = providers_of(ctx.reader, caller.account)
        return {
            "OpenIDConnectProviderList": [
                {
                    "Arn": provider.arn,
                    "IsTrustedIdentityPropagationEnabled": provider.context_provider is not None,
                }
                for provider in found
            ]
        }


class DeleteOpenIDConnectProvider(_OpenIDConnectProviderAction):
    """Deletes a provider.

    Roles that name it stay, but they no longer trust any of its tokens.
    """

    action, access = "DeleteOpenIDConnectProvider", StoreAccess.WRITE

    def perform(self, params: _OpenIDConnectProviderParams, caller: Caller, ctx: RequestContext) -> None:
        """Delete the provider. A missing provider is not an error."""
        found = find_provider(ctx.writer, caller.account, params.arn)
        if found is not None:
            records.delete(ctx.writer, found)


class _Client(_OpenIDConnectProviderParams, frozen=True, kw_only=True):
    client_id: str = msgspec.field(name="ClientID")


class AddClientIDToOpenIDConnectProvider(_OpenIDConnectProviderAction):
    """Adds an audience. An audience that exists already is not an error."""

    action, takes, access = "AddClientIDToOpenIDConnectProvider", _Client, StoreAccess.WRITE

    def perform(self, params: _Client, caller: Caller, ctx: RequestContext) -> None:
        """Add the audience."""
        provider = get_provider(ctx.reader, caller.account, params.arn)
        client_ids = tuple(dict.fromkeys((*provider.client_ids, params.client_id)))
        _check_client_ids(client_ids)
        records.replace(ctx.writer, msgspec.structs.replace(provider, client_ids=client_ids))


class RemoveClientIDFromOpenIDConnectProvider(_OpenIDConnectProviderAction):
    """Removes an audience. A missing audience is not an error."""

    action, takes, access = "RemoveClientIDFromOpenIDConnectProvider", _Client, StoreAccess.WRITE

    def perform(self, params: _Client, caller: Caller, ctx: RequestContext) -> None:
        """Remove the audience. A provider without audiences accepts no token."""
        provider = get_provider(ctx.reader, caller.account, params.arn)
        kept = tuple(one for one in provider.client_ids if one != params.client_id)
        records.replace(ctx.writer, msgspec.structs.replace(provider, client_ids=kept))


class _Thumbprints(_OpenIDConnectProviderParams, frozen=True, kw_only=True):
    thumbprint_list: tuple[str, ...]


class UpdateOpenIDConnectProviderThumbprint(_OpenIDConnectProviderAction):
    """Replaces a provider's thumbprints."""

    action, takes, access = "UpdateOpenIDConnectProviderThumbprint", _Thumbprints, StoreAccess.WRITE

    def perform(self, params: _Thumbprints, caller: Caller, ctx: RequestContext) -> None:
        """Replace the thumbprints."""
        provider = get_provider(ctx.reader, caller.account, params.arn)
        _check_thumbprints(params.thumbprint_list)
        thumbprints = _lowered(params.thumbprint_list)
        records.replace(ctx.writer, msgspec.structs.replace(provider, thumbprints=thumbprints))


class _UpdateOpenIDConnectProviderParams(PropagationParams, frozen=True, kw_only=True):
    arn: str = msgspec.field(name="OpenIDConnectProviderArn")


class UpdateOpenIDConnectProvider(_OpenIDConnectProviderAction):
    """Sets, replaces or removes a provider's context provider.

    New sessions carry what it says from then on. Sessions that exist keep their keys.
    """

    action, takes, access = "UpdateOpenIDConnectProvider", _UpdateOpenIDConnectProviderParams, StoreAccess.WRITE

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the provider's tags and issuer, and whether it will propagate."""
        return {**super().context(params, caller, ctx), **propagation_keys(params)}

    def perform(self, params: _UpdateOpenIDConnectProviderParams, caller: Caller, ctx: RequestContext) -> None:
        """Change the context provider."""
        if not changes_context(params):
            raise InvalidInput(_NO_CHANGE)
        changed = changed_provider(params)
        provider = get_provider(ctx.reader, caller.account, params.arn)
        records.replace(ctx.writer, msgspec.structs.replace(provider, context_provider=changed))


def _check_url(url: str) -> None:
    if not is_issuer_url(url):
        raise ValidationError("Invalid Open ID Connect Provider URL")
    # The prefix of its condition keys must not be a prefix of AWS's own keys.
    if not is_foreign(url.removeprefix(SCHEME)):
        raise ValidationError("Invalid Open ID Connect Provider URL", detail="its condition keys would look like AWS's")


def _check_thumbprints(thumbprints: tuple[str, ...]) -> None:
    if len(thumbprints) > MOST_THUMBPRINTS:
        raise InvalidInput("Thumbprint list must contain fewer than 5 entries.")
    for thumbprint in thumbprints:
        if not set(thumbprint) <= set("0123456789abcdefABCDEF"):
            raise InvalidInput(f"Thumbprint {thumbprint} is not hexadecimal.")


def _lowered(thumbprints: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(thumbprint.lower() for thumbprint in thumbprints)


def _check_client_ids(client_ids: tuple[str, ...]) -> None:
    if len(client_ids) > MOST_CLIENT_IDS:
        raise LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {MOST_CLIENT_IDS}")


_TAGGED = TaggedKind(
    word="OpenIDConnectProvider",
    member="OpenIDConnectProviderArn",
    rule=EXACT,
    get=lambda ctx, account, arn: get_provider(ctx.reader, account, arn),
    arn=lambda _context, _account, arn: arn,
)

OPERATIONS = (
    CreateOpenIDConnectProvider(),
    GetOpenIDConnectProvider(),
    ListOpenIDConnectProviders(),
    DeleteOpenIDConnectProvider(),
    AddClientIDToOpenIDConnectProvider(),
    RemoveClientIDFromOpenIDConnectProvider(),
    UpdateOpenIDConnectProviderThumbprint(),
    UpdateOpenIDConnectProvider(),
    *(action(_TAGGED) for action in (TagThing, UntagThing, ListTags)),
)
