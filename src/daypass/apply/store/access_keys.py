"""Access keys whose id and secret an operator chooses.

The API cannot create or rotate a key with a given secret. Quota, encryption and audit are those of CreateAccessKey.
"""

import re
from typing import Any

import msgspec

from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.apply.file.secret_names import require_given
from daypass.apply.file.state import KeyValue, Thing
from daypass.apply.plan.differences import Difference
from daypass.apply.store.api import Api
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey, User
from daypass.errors import LimitExceeded
from daypass.mint.secret import Secret
from daypass.operations.iam.identities.access_keys import keys_of
from daypass.operations.iam.lookup import get_named

_SECRET = re.compile(r"[!-~]{16,128}")


def put_access_key(thing: Thing, part: Difference, api: Api) -> None:
    """Create or change a key. Raises ApplyFileError."""
    place = thing.place_of("accessKeys").below(part.part)
    wanted: KeyValue = part.after
    if part.is_new:
        _insert(thing, part.part, wanted, api, place)
        return
    before: KeyValue = part.before
    if wanted.secret is not None and wanted.secret != before.secret:
        key = records.find_by_id(api.ctx.reader, AccessKey, part.part)
        if key is None:
            raise ApplyFileError(place, "the access key does not exist")
        sealed = _sealed(part.part, require_secret(wanted.secret, wanted.name, place), api)
        records.replace(api.ctx.writer, msgspec.structs.replace(key, sealed_secret=sealed))
        api.note(thing.account, "UpdateAccessKey", {"UserName": thing.name, "AccessKeyId": part.part})
    if wanted.active != before.active:
        _set_status(thing, part.part, wanted, api, place)


def require_secret(secret: Secret | None, name: str, place: FilePosition) -> Secret:
    """Return the secret access key that a file names.

    Raises ApplyFileError if the secret is missing or is not valid.
    """
    secret = require_given(secret, name, place)
    if not _SECRET.fullmatch(secret.text):
        raise ApplyFileError(
            place, f"the secret {name} is not a valid secret access key: use 16 to 128 visible ASCII characters"
        )
    return secret


def _insert(thing: Thing, key_id: str, wanted: KeyValue, api: Api, place: FilePosition) -> None:
    ctx = api.ctx
    user = get_named(ctx.reader, User, thing.account, thing.name)
    most = ctx.settings.quotas.access_keys_per_user
    if len(keys_of(ctx.reader, user.account, user.id)) >= most:
        fault = LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {most}")
        raise ApplyFileError(place, f"{fault.code}: {fault.message}", refused=True)
    key = AccessKey(
        id=key_id,
        account=user.account,
        owner=user.id,
        sealed_secret=_sealed(key_id, require_secret(wanted.secret, wanted.name, place), api),
        active=wanted.active,
        created=ctx.now,
    )
    records.insert_new(ctx.writer, key, ApplyFileError(place, "this access key id already exists", refused=True))
    api.note(thing.account, "CreateAccessKey", {"UserName": thing.name, "AccessKeyId": key_id})


def _set_status(thing: Thing, key_id: str, wanted: KeyValue, api: Api, place: FilePosition) -> None:
    params: dict[str, Any] = {
        "UserName": thing.name,
        "AccessKeyId": key_id,
        "Status": "Active" if wanted.active else "Inactive",
    }
    api.call(thing.account, "UpdateAccessKey", params, place)


def _sealed(key_id: str, secret: Secret, api: Api) -> bytes:
    return api.ctx.vault.encrypt(secret.text.encode(), bound_to=key_id)
