"""`daypass explain`: explain why a request is allowed or denied.

It works on the store itself. Owns the three kinds of input: a caller, an action and a resource; an encoded
authorization message; or a role whose possible callers are listed. explain_text.py and explain_json.py format the
engine's results.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.authorize.named_request import Assumed, UnknownPrincipalError, build_named_request, check_named, get_caller
from daypass.authorize.readable_ids import explained
from daypass.authorize.remedy import find_remedy
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.who_can import Way, accounts_of, who_can
from daypass.cli.operators.policies.explain_json import show_trace, show_way
from daypass.cli.operators.policies.explain_text import message_lines, trace_lines, way_lines
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import opened, operator_options, print_json
from daypass.directory.buckets import load_bucket
from daypass.directory.identity import AssumableRole, load_role
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.directory.unresolved_principals import unresolved_of
from daypass.errors import Fault, InvalidAuthorizationMessage
from daypass.operations.authorization_message import DenialNote, open_message
from daypass.operations.sts.decode_authorization_message import show_note
from daypass.operations.sts.role_session import read_role_arn
from daypass.policy.authorization_request import ContextValue
from daypass.policy.language.known_keys import find_key
from daypass.policy.reasons.explain import explain

if TYPE_CHECKING:
    from daypass.storage.views import OpenedStore

_S3 = "arn:aws:s3:::"


def _read_context(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> Any:
    """Parse condition keys: one value is a string, several are a list, empty removes the key."""
    found: dict[str, list[str]] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or ":" not in key:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE, such as aws:SourceIp=203.0.113.7.")
        found.setdefault(key.lower(), []).append(value)
    return {key: _value(key, values) for key, values in found.items()}


def _value(key: str, values: list[str]) -> ContextValue | None:
    known = find_key(key)
    if values == [""]:
        return None
    if len(values) > 1 or (known is not None and known.multivalued):
        return tuple(values)
    return values[0]


@click.command()
@click.argument("subject", metavar="[MESSAGE | ROLE_ARN]", required=False)
@click.option("--principal", metavar="ARN", help="The caller: a user, a role, a role session or a root user.")
@click.option("--action", metavar="SERVICE:ACTION", help="The action, such as sts:AssumeRole.")
@click.option("--resource", metavar="ARN", default="*", help="The resource of the action. Default: *.")
@click.option(
    "--context",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_read_context,
    help="A condition key of the request. Repeatable. An empty VALUE removes the key.",
)
@click.option(
    "--who-can", metavar="SERVICE:ACTION", help="List the principals that can do this (sts:AssumeRole) to ROLE_ARN."
)
@operator_options
def command(  # noqa: PLR0913 - one parameter an option
    *,
    subject: str | None,
    principal: str | None,
    action: str | None,
    resource: str,
    context: dict[str, ContextValue | None],
    who_can: str | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Explain why a request is allowed or denied.

    Describe the request with --principal, --action and --resource. Or give the encoded MESSAGE of a denial (from the
    header x-daypass-authorization-message). Or list callers with --who-can sts:AssumeRole ROLE_ARN.
    """
    answer = _choose(subject, principal, action, who_can)
    with opened(store, config_file) as there, there.store.read() as reader:
        views = SnapshotViews(reader)
        try:
            lines, document = answer(views, there, resource, context)
        except UnknownPrincipalError as problem:
            raise CommandError(str(problem), Exit.CONFIGURATION) from problem
        except Fault as fault:
            raise CommandError(fault.message, Exit.CONFIGURATION) from fault
        if output == "json":
            print_json(document)
            return
        for line in lines:
            click.echo(explained(line, views, _unresolved(views, subject if who_can else resource)))


Answer = Callable[
    [SnapshotViews, "OpenedStore", str, dict[str, ContextValue | None]], tuple[Iterable[str], dict[str, Any]]
]


def _choose(subject: str | None, principal: str | None, action: str | None, reverse: str | None) -> Answer:
    """Return the function for the given kind of input. Raises UsageError."""
    if reverse and subject and not principal and not action:
        return lambda views, there, _resource, _context: _answer_who_can(reverse, subject, views, there)
    if subject and not (principal or action or reverse):
        return lambda views, there, _resource, _context: _answer_message(subject, views, there)
    if principal and action and not (subject or reverse):
        return lambda views, there, resource, context: _answer_call(
            principal, (action, resource), context, views, there
        )
    raise click.UsageError("Use MESSAGE, or --principal and --action, or --who-can sts:AssumeRole ROLE_ARN.")


def _answer_call(
    arn: str,
    action_and_resource: tuple[str, str],
    context: dict[str, ContextValue | None],
    views: SnapshotViews,
    there: "OpenedStore",
) -> tuple[Iterable[str], dict[str, Any]]:
    assumed = Assumed(there.clock.now())
    caller = get_caller(arn, views, assumed.now)
    check = check_named(*action_and_resource, caller, views)
    request, policies = build_named_request(caller, check, context, views, assumed)
    trace, remedy = explain(request, policies), find_remedy(request, policies)
    return trace_lines(trace, caller, remedy), show_trace(trace, caller, remedy)


def _answer_message(text: str, views: SnapshotViews, there: "OpenedStore") -> tuple[Iterable[str], dict[str, Any]]:
    note = _open(text.strip(), views, there)
    return message_lines(note), show_note(note)


def _open(text: str, views: SnapshotViews, there: "OpenedStore") -> DenialNote:
    """Decrypt a message. It does not name its account, so the key of every account is tried."""
    sealing_ring = views.get(load_sealing_ring, there.vault)
    for account in accounts_of(views):
        try:
            return open_message(text, account=account.id, sealing_ring=sealing_ring)
        except InvalidAuthorizationMessage:
            continue
    raise CommandError(
        "The message cannot be decrypted with the keys of this store. Its key may have been destroyed.", Exit.EXPIRED
    )


def _answer_who_can(
    action: str, arn: str, views: SnapshotViews, there: "OpenedStore"
) -> tuple[Iterable[str], dict[str, Any]]:
    role = _get_role(arn, views)
    ways: list[Way] = list(who_can(action, role, views, Assumed(there.clock.now())))
    shown = [show_way(way) for way in ways]
    return way_lines(action, role.arn, ways), {"Action": action, "Role": role.arn, "Principals": shown}


def _unresolved(views: SnapshotViews, arn: str | None) -> Mapping[str, str]:
    """Return the unresolved principals of the role or bucket with this ARN, or none for other ARNs."""
    if arn is not None and arn.startswith(_S3):
        loaded = views.get(load_bucket, arn.removeprefix(_S3).partition("/")[0])
        return {} if loaded is None else unresolved_of(loaded.stored.foreign)
    role = None if arn is None or ":role/" not in arn else _find_role(arn, views)
    return {} if role is None else unresolved_of(role.foreign)


def _find_role(arn: str, views: SnapshotViews) -> AssumableRole | None:
    try:
        return _get_role(arn, views)
    except (Fault, UnknownPrincipalError):
        return None


def _get_role(arn: str, views: SnapshotViews) -> AssumableRole:
    name = read_role_arn(arn)
    role = views.get(load_role, name.account, name.name)
    if role is None or role.arn != arn:
        raise UnknownPrincipalError(f"Role {arn} does not exist in this store.")
    return role
