"""Outbound web identity federation: the account's setting and its issuer.

The setting allows GetWebIdentityToken. The issuer and its keys are created when it is first enabled, and stay: issued
tokens must verify after it is disabled, and relying parties keep their trust when it is enabled again.
Source: IAM API Reference, EnableOutboundWebIdentityFederation and the other two actions.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.outbound import create_issuer, issuer_url
from daypass.errors import FeatureDisabled, FeatureEnabled
from daypass.operations.iam.iam_action import IamAction, Nothing
from daypass.operations.iam.lookup import get_account
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext


def _enabled_account(caller: Caller, ctx: RequestContext) -> Account:
    account = get_account(ctx.reader, caller.account)
    if not account.outbound_enabled:
        raise FeatureDisabled("Outbound web identity federation is not enabled for this account.")
    return account


class EnableOutboundWebIdentityFederation(IamAction[Nothing]):
    """Enables outbound web identity federation."""

    action, takes, access = "EnableOutboundWebIdentityFederation", Nothing, StoreAccess.WRITE

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the issuer's URL."""
        account = get_account(ctx.reader, caller.account)
        if account.outbound_enabled:
            raise FeatureEnabled("Outbound web identity federation is already enabled for this account.")
        issuer = account.outbound_issuer or create_issuer(
            ctx.writer,
            account.id,
            now=int(ctx.now.timestamp()),
            entropy=ctx.entropy,
            vault=ctx.vault,
        )
        enabled = msgspec.structs.replace(account, outbound_enabled=True, outbound_issuer=issuer)
        records.replace(ctx.writer, enabled)
        return {"IssuerIdentifier": issuer_url(ctx.settings.public_url, issuer)}


class DisableOutboundWebIdentityFederation(IamAction[Nothing]):
    """Disables it. Issued tokens stay valid until they expire."""

    action, takes, access = "DisableOutboundWebIdentityFederation", Nothing, StoreAccess.WRITE

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> None:
        """Disable it, or raise FeatureDisabled."""
        account = _enabled_account(caller, ctx)
        records.replace(ctx.writer, msgspec.structs.replace(account, outbound_enabled=False))


class GetOutboundWebIdentityFederationInfo(IamAction[Nothing]):
    """Shows the issuer."""

    action, takes, access = "GetOutboundWebIdentityFederationInfo", Nothing, StoreAccess.SHORT_READ

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the issuer's URL, or raise FeatureDisabled."""
        account = _enabled_account(caller, ctx)
        url = issuer_url(ctx.settings.public_url, account.outbound_issuer)
        return {"IssuerIdentifier": url, "JwtVendingEnabled": True}


OPERATIONS = (
    EnableOutboundWebIdentityFederation(),
    DisableOutboundWebIdentityFederation(),
    GetOutboundWebIdentityFederationInfo(),
)
