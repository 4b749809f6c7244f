"""`daypass explain`: explain why a request is allowed or denied.

It works on the store itself. Owns the three kinds of input: a caller, an action and a resource; an encoded
authorization message; or a role whose possible callers are listed. explain_text.py and explain_json.py format the
engine's results.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.authorize.named_request import Assumed, UnknownPrincipalError, build_named_request, check_named, get_caller
from daypass.authorize.readable_ids import explained
from daypass.authorize.remedy import find_remedy
from daypass.authorize.snapshot import SnapshotViews
from daypass.authorize.who_can import accounts_of, count_candidates, who_can
from daypass.cli.operators.policies.explain_json import show_trace
from daypass.cli.operators.policies.explain_text import message_lines, trace_lines
from daypass.cli.operators.policies.who_can_output import TEXT_LIMIT, LimitedWays, json_pieces, text_lines
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.long_output import long_output
from daypass.cli.shared.store_options import opened, operator_options
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
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"List at most N principals with --who-can; 0 lists all. Default: {TEXT_LIMIT}, and all in JSON.",
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
    limit: int | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Explain why a request is allowed or denied.

    Describe the request with --principal, --action and --resource. Or give the encoded MESSAGE of a denial (from the
    header x-daypass-authorization-message). Or list callers with --who-can sts:AssumeRole ROLE_ARN.
    """
    if limit is not None and not who_can:
        raise click.UsageError("--limit needs --who-can.")
    if limit is None:
        limit = 0 if output == "json" else TEXT_LIMIT
    answer = _choose(subject, principal, action, who_can, limit)
    with long_output() as file, opened(store, config_file) as there, there.store.read() as reader:
        views = SnapshotViews(reader)
        try:
            explanation = answer(views, there, resource, context)
            if output == "json":
                file.writelines(explanation.document)
                return
            unresolved = _unresolved(views, subject if who_can else resource)
            file.writelines(explained(line, views, unresolved) + "\n" for line in explanation.lines)
        except UnknownPrincipalError as problem:
            raise CommandError(str(problem), Exit.CONFIGURATION) from problem
        except Fault as fault:
            raise CommandError(fault.message, Exit.CONFIGURATION) from fault


@dataclass(frozen=True, slots=True)
class Explanation:
    """The lines of the text, and the pieces of the JSON document.

    Only one of them is read.
    """

    lines: Iterable[str]
    document: Iterable[str]


Answer = Callable[[SnapshotViews, "OpenedStore", str, dict[str, ContextValue | None]], Explanation]


def _choose(subject: str | None, principal: str | None, action: str | None, reverse: str | None, limit: int) -> Answer:
    """Return the function for the given kind of input. Raises UsageError."""
    if reverse and subject and not principal and not action:
        return lambda views, there, _resource, _context: _answer_who_can(reverse, subject, limit, views, there)
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
) -> Explanation:
    assumed = Assumed(there.clock.now())
    caller = get_caller(arn, views, assumed.now)
    check = check_named(*action_and_resource, caller, views)
    request, policies = build_named_request(caller, check, context, views, assumed)
    trace, remedy = explain(request, policies), find_remedy(request, policies)
    return _explanation(trace_lines(trace, caller, remedy), show_trace(trace, caller, remedy))


def _explanation(lines: Iterable[str], document: Any) -> Explanation:
    return Explanation(lines, [json.dumps(document, indent=2, ensure_ascii=False), "\n"])


def _answer_message(text: str, views: SnapshotViews, there: "OpenedStore") -> Explanation:
    note = _open(text.strip(), views, there)
    return _explanation(message_lines(note), show_note(note))


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


def _answer_who_can(action: str, arn: str, limit: int, views: SnapshotViews, there: "OpenedStore") -> Explanation:
    role, assumed = _get_role(arn, views), Assumed(there.clock.now())
    found = LimitedWays(
        who_can(action, role, views, assumed), limit, lambda: count_candidates(action, role, views, assumed)
    )
    return Explanation(text_lines(action, role.arn, found, limit), json_pieces(action, role.arn, found))


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
