"""sts:GetAccessKeyInfo: the account to which an access key id belongs.

Looks up this server's own keys, because an operator may have chosen a root key's id, and decodes every other id, AWS's
too. An id without an account is refused.
Source: STS API Reference, GetAccessKeyInfo.
"""

import msgspec

from daypass.directory.identity import load_access_key
from daypass.errors import ValidationError
from daypass.mint.access_keys import account_of
from daypass.operations.operation import Authorized, Result, StoreAccess, WithoutResource
from daypass.operations.request_context import RequestContext


class GetAccessKeyInfoParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of GetAccessKeyInfo."""

    access_key_id: str


class GetAccessKeyInfo(WithoutResource[GetAccessKeyInfoParams]):
    """Answers with an account id."""

    service, action, access = "sts", "GetAccessKeyInfo", StoreAccess.CACHE
    takes = GetAccessKeyInfoParams

    def run(self, authorized: Authorized[GetAccessKeyInfoParams], ctx: RequestContext) -> Result:
        """Return the account."""
        key_id = authorized.params.access_key_id
        key = ctx.views.get(load_access_key, key_id)
        account = account_of(key_id) if key is None else key.account
        if account is None:
            raise ValidationError("Invalid access key ID")
        return {"Account": account}
