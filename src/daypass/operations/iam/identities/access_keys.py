"""Access keys: create, list, update, delete.

The secret is shown once. An action without a UserName applies to the owner of the signing key, as AWS's examples show.
Source: IAM API Reference.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey
from daypass.directory.last_uses import forget_last_use
from daypass.directory.store import Reader
from daypass.errors import LimitExceeded, NoSuchEntity, ValidationError
from daypass.mint.access_keys import new_access_key_id, new_secret
from daypass.operations.iam.paging import Paged, page_of_values
from daypass.operations.iam.self_service import AboutOwner, Owned, Owner, get_owner
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext

_MOST = 1000


def keys_of(reader: Reader, account: str, owner: str) -> list[AccessKey]:
    """Return the keys of a user (unique id) or of a root user (account id)."""
    return records.page(reader, AccessKey, account, prefix=f"{owner}/", limit=_MOST)


class _AccessKeyParams(Owned, frozen=True):
    access_key_id: str = ""


class _Status(_AccessKeyParams, frozen=True):
    status: str = ""


class _ListAccessKeysParams(Paged, frozen=True):
    user_name: str | None = None


class CreateAccessKey(AboutOwner):
    """Creates an access key. An owner has at most two."""

    action, access = "CreateAccessKey", StoreAccess.WRITE

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the key with its secret."""
        owner = get_owner(params.user_name, caller, ctx)
        most = ctx.settings.quotas.access_keys_per_user
        if len(keys_of(ctx.reader, owner.account, owner.id)) >= most:
            raise LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {most}")
        key_id, secret = new_access_key_id("AKIA", owner.account, ctx.entropy), new_secret(ctx.entropy)
        key = AccessKey(
            id=key_id,
            account=owner.account,
            owner=owner.id,
            sealed_secret=ctx.vault.encrypt(secret.text.encode(), bound_to=key_id),
            created=ctx.now,
        )
        records.insert(ctx.writer, key)
        return {"AccessKey": {**_show(key, owner), "SecretAccessKey": secret.text}}


class ListAccessKeys(AboutOwner):
    """Lists an owner's keys, without their secrets."""

    action, takes, access = "ListAccessKeys", _ListAccessKeysParams, StoreAccess.SHORT_READ

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of keys."""
        owner = get_owner(params.user_name, caller, ctx)
        return page_of_values(
            keys_of(ctx.reader, owner.account, owner.id),
            params,
            key=lambda key: key.id,
            show=lambda key: _show(key, owner),
            name="AccessKeyMetadata",
        )


class UpdateAccessKey(AboutOwner):
    """Activates or deactivates a key."""

    action, takes, access = "UpdateAccessKey", _Status, StoreAccess.WRITE

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Change the status. Sessions that the key created stay valid, as on AWS."""
        if params.status not in {"Active", "Inactive"}:
            raise ValidationError("The status of an access key is Active or Inactive.")
        key = _get_key(params, caller, ctx)
        records.replace(ctx.writer, msgspec.structs.replace(key, active=params.status == "Active"))


class DeleteAccessKey(AboutOwner):
    """Deletes a key."""

    action, takes, access = "DeleteAccessKey", _AccessKeyParams, StoreAccess.WRITE

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Delete the key and the record of its last use."""
        key = _get_key(params, caller, ctx)
        records.delete(ctx.writer, key)
        forget_last_use(ctx.writer, key.account, key.id)


def _get_key(params: _AccessKeyParams, caller: Caller, ctx: RequestContext) -> AccessKey:
    owner = get_owner(params.user_name, caller, ctx)
    key = records.find_by_id(ctx.reader, AccessKey, params.access_key_id)
    if key is None or key.owner != owner.id:
        raise NoSuchEntity(f"The Access Key with id {params.access_key_id} cannot be found.")
    return key


def _show(key: AccessKey, owner: Owner) -> dict[str, Any]:
    return {
        # AWS shows a root user's keys without a UserName.
        **({"UserName": owner.name} if owner.name else {}),
        "AccessKeyId": key.id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": key.created,
    }


OPERATIONS = (CreateAccessKey(), ListAccessKeys(), UpdateAccessKey(), DeleteAccessKey())
