"""`daypass bucket list|set|remove`: the buckets of accounts.

Owns the commands on the records: the account that owns a bucket, the backend with its objects, and its policy. They do
not call any store: `set` for a bucket that exists there, `remove` leaves its objects where they are. Leaves the rules
to directory/buckets.py. The commands open the store itself. A live server or gateway may use it at the same time.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import operator_change
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list
from daypass.directory import records
from daypass.directory.bucket_policies import MOST_BYTES
from daypass.directory.buckets import (
    BucketTakenError,
    buckets_of,
    delete_bucket,
    find_bucket,
    is_recordable_name,
    load_bucket,
    load_shown_policy,
    policy_to_store,
    put_bucket,
)
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.directory.entities.iam_entities import Account
from daypass.directory.principals import store_known_principals
from daypass.directory.store import Reader, Writer
from daypass.errors import MalformedPolicyDocument

if TYPE_CHECKING:
    from datetime import datetime

_policy_file = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group()
def command() -> None:
    """List and record the buckets of accounts.

    A gateway serves a bucket for the account that owns it. Buckets that it creates are recorded by themselves.
    """


@command.command("list")
@click.option("--account", metavar="ID", help="Only the buckets of this account.")
@operator_options
def list_command(account: str | None, store: str | None, config_file: Path | None, output: str) -> None:
    """List the recorded buckets with their accounts and backends."""
    with opened(store, config_file) as there, there.store.read() as reader:
        found = [_shown(reader, bucket) for bucket in buckets_of(reader, account)]
    none = "No buckets. Run `daypass bucket set NAME --account ID` to record one."
    print_list("Buckets", found, output, line=_line, none=none)


@command.command("set")
@click.argument("name")
@click.option(
    "--account", metavar="ID", default="", help="The account that owns the bucket. Required for a new record."
)
@click.option("--backend", metavar="NAME", help="The gateway's backend with the objects. Default: its only backend.")
@click.option("--region", help="The region that GetBucketLocation returns.")
@click.option("--policy", type=_policy_file, metavar="FILE", help="Replace the bucket policy. - reads standard input.")
@click.option("--no-policy", is_flag=True, help="Delete the bucket policy.")
@click.option(
    "--public-access-block/--no-public-access-block",
    default=None,
    help="Block all public access, or none. A new record blocks it.",
)
@operator_options
def set_command(  # noqa: PLR0913 - one parameter an option
    *,
    name: str,
    account: str,
    backend: str | None,
    region: str | None,
    policy: Path | None,
    no_policy: bool,
    public_access_block: bool | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Record that the bucket NAME belongs to an account, or change its record.

    The bucket exists at its store already. Options that are not given leave the record as it is.
    """
    if policy is not None and no_policy:
        raise click.UsageError("--policy and --no-policy cannot be used together.")
    text = "" if no_policy else None if policy is None else _read_policy(policy)
    given = {"backend": backend, "region": region, "public_access_block": _block(public_access_block)}
    with operator_change("bucket set", "PutBucketRecord", store, config_file) as change:
        writer = change.writer
        bucket = _find_or_new(writer, name, account, change.there.clock.now())
        changed = msgspec.structs.replace(
            bucket, state="active", **{field: value for field, value in given.items() if value is not None}
        )
        if text is not None:
            changed = _with_policy(writer, changed, text)
        try:
            put_bucket(writer, changed)
        except BucketTakenError as taken:
            raise CommandError(f"Bucket {name} belongs to account {taken.account}.", Exit.CONFIGURATION) from taken
        shown = _shown(writer, changed)
        change.tell(**_told(shown), PolicyReplaced=text is not None)
    if output == "json":
        print_json(shown)
        return
    click.echo(_line(shown), err=True)


@command.command()
@click.argument("name")
@operator_options
def remove(name: str, store: str | None, config_file: Path | None, output: str) -> None:
    """Remove the record of the bucket NAME, with its policy.

    Its objects stay at their store. Gateways hide the bucket, unless a pattern of their settings maps it.
    """
    with operator_change("bucket remove", "DeleteBucketRecord", store, config_file) as change:
        writer = change.writer
        bucket = find_bucket(writer, name)
        if bucket is None:
            raise _missing(name)
        shown = _shown(writer, bucket)
        delete_bucket(writer, bucket)
        change.tell(**_told(shown))
    if output == "json":
        print_json(shown)
        return
    click.echo(f"Bucket {name} is no longer recorded. Its objects are still at their store.", err=True)


def _find_or_new(writer: Writer, name: str, account: str, now: "datetime") -> StoredBucket:
    """Return the record, or a new one. Raises CommandError."""
    found = find_bucket(writer, name)
    if found is not None:
        if account and found.account != account:
            raise CommandError(
                f"Bucket {name} belongs to account {found.account}. Run `daypass bucket remove {name}` first.",
                Exit.CONFIGURATION,
            )
        return found
    if not account:
        raise CommandError(f"Bucket {name} is not recorded. Name its account with --account.", Exit.CONFIGURATION)
    if not is_recordable_name(name):
        raise CommandError(f"{name!r} is not a valid bucket name.", Exit.CONFIGURATION)
    if records.find(writer, Account, "", account) is None:
        raise CommandError(f"The account {account} does not exist.", Exit.CONFIGURATION)
    return StoredBucket(name=name, account=account, backend="", created=now, public_access_block=PublicAccessBlock())


def _with_policy(writer: Writer, bucket: StoredBucket, text: str) -> StoredBucket:
    if not text:
        return msgspec.structs.replace(bucket, policy="", foreign={})
    try:
        stored = policy_to_store(writer, bucket.account, bucket.name, text, store_known_principals)
    except MalformedPolicyDocument as problem:
        named = f" ({problem.detail})" if problem.detail else ""
        raise CommandError(f"The policy is not valid: {problem.message}{named}", Exit.CONFIGURATION) from problem
    return msgspec.structs.replace(bucket, policy=stored.document, foreign=dict(stored.foreign))


def _read_policy(path: Path) -> str:
    try:
        with click.open_file(str(path), encoding="utf-8") as stream:
            text: str = stream.read(MOST_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}", Exit.CONFIGURATION) from error
    if not text.strip():
        raise CommandError(f"{path} is empty. Use --no-policy to delete the policy.", Exit.CONFIGURATION)
    return text


def _block(given: bool | None) -> PublicAccessBlock | None:  # noqa: FBT001 - a flag of the command
    if given is None:
        return None
    return PublicAccessBlock(
        block_public_acls=given,
        ignore_public_acls=given,
        block_public_policy=given,
        restrict_public_buckets=given,
    )


def _missing(name: str) -> CommandError:
    return CommandError(
        f"Bucket {name} is not recorded. Run `daypass bucket list` to see all buckets.", Exit.CONFIGURATION
    )


def _shown(reader: Reader, bucket: StoredBucket) -> dict[str, Any]:
    loaded = load_bucket(reader, bucket.name)
    block, policy = bucket.public_access_block, load_shown_policy(reader, bucket.name)
    return {
        "Name": bucket.name,
        "AccountId": bucket.account,
        "Backend": bucket.backend or None,
        "Region": bucket.region or None,
        "CreateDate": bucket.created.isoformat(),
        "State": bucket.state,
        "Policy": json.loads(policy) if policy else None,
        "IsPublic": loaded is not None and loaded.is_public,
        "PublicAccessBlock": {
            "BlockPublicAcls": block is not None and block.block_public_acls,
            "IgnorePublicAcls": block is not None and block.ignore_public_acls,
            "BlockPublicPolicy": block is not None and block.block_public_policy,
            "RestrictPublicBuckets": block is not None and block.restrict_public_buckets,
        },
    }


def _told(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an event."""
    told = {name: shown[name] for name in ("AccountId", "Backend", "Region", "IsPublic")}
    return {"BucketName": shown["Name"], **told}


def _line(shown: dict[str, Any]) -> str:
    policy = "no policy" if shown["Policy"] is None else "public policy" if shown["IsPublic"] else "policy"
    state = "" if shown["State"] == "active" else shown["State"]
    parts = (
        shown["Name"],
        shown["AccountId"],
        shown["Backend"] or "default backend",
        shown["Region"] or "",
        policy,
        state,
    )
    return "  ".join(filter(None, parts))
