"""SetSecurityTokenServicePreferences: the token version of the endpoint.

GetAccountSummary shows the stored version. It has no other effect: every URL of Daypass acts as a regional endpoint,
whose tokens are valid everywhere, on AWS too.
Source: IAM API Reference, SetSecurityTokenServicePreferences.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.iam.lookup import get_account
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext

_VERSIONS: Mapping[str, Literal[1, 2]] = {"v1Token": 1, "v2Token": 2}


class _SetSecurityTokenServicePreferencesParams(IamParams, frozen=True):
    global_endpoint_token_version: Literal["v1Token", "v2Token"]


class SetSecurityTokenServicePreferences(IamAction[_SetSecurityTokenServicePreferencesParams]):
    """Sets the token version of the global endpoint."""

    action, takes, access = (
        "SetSecurityTokenServicePreferences",
        _SetSecurityTokenServicePreferencesParams,
        StoreAccess.WRITE,
    )

    def perform(self, params: _SetSecurityTokenServicePreferencesParams, caller: Caller, ctx: RequestContext) -> None:
        """Store the version in the account."""
        account = get_account(ctx.reader, caller.account)
        version = _VERSIONS[params.global_endpoint_token_version]
        records.replace(ctx.writer, msgspec.structs.replace(account, token_version=version))


OPERATIONS = (SetSecurityTokenServicePreferences(),)
