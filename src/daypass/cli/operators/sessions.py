"""`daypass sessions`: list sign-ins, and revoke issued sessions.

Those of a role or a user are revoked as in AWS, with the inline policy AWSRevokeOlderSessions, which `aws iam` shows
and can remove; those of an access key or a delegation request with an entry in the store, since AWS has no such
operation. Every node applies both within a second. A revoked sign-in of a person is deleted, and its role sessions end
by such an entry too.
"""

import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from daypass.cli.shared.account_option import account_option, choose_account
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import OperatorChange, operator_change
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list
from daypass.directory import records
from daypass.directory.delegation.kept_requests import find_request
from daypass.directory.entities.delegation_entities import State
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.entities.sign_in_entities import SignInSession, TokenFamily
from daypass.directory.identity import load_access_key
from daypass.directory.managed_policies.older_sessions import POLICY_NAME, without_older_sessions
from daypass.directory.revocations import end_of_second, revoke_delegation, revoke_for_good, revoke_key
from daypass.directory.store import Reader, Writer
from daypass.wire.visible_text import visible

_KEY_ID = re.compile(r"[A-Za-z0-9_]{16,128}")
_TEMPORARY = "ASIA"
_MOST_PROGRAMS = 100


def _read_instant(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    """Parse the time of an option. Raises BadParameter with an example."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a valid time. Use a form such as 2026-03-01T12:00:00Z.") from error
    if instant.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no time zone. End it with Z or an offset such as +01:00.")
    try:
        return datetime.fromtimestamp(math.ceil(instant.timestamp()), UTC)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not between the years 1 and 9999.") from error


@click.group()
def command() -> None:
    """List sign-ins, and revoke sessions before they expire."""


@command.command(name="list-sign-ins")
@click.option("--subject", metavar="NAME", help="List the sign-ins of this person only.")
@account_option
@operator_options
def list_sign_ins(
    *, subject: str | None, account: str | None, store: str | None, config_file: Path | None, output: str
) -> None:
    """List the live sign-ins of people, those that end first first."""
    with opened(store, config_file) as there, there.store.read() as reader:
        now = there.clock.now()
        found = (each for each in records.each(reader, SignInSession, "") if each.ends > now)
        shown = [
            _shown(reader, each)
            for each in found
            if subject in {None, each.subject} and account in {None, each.account}
        ]
    print_list("SignIns", shown, output, line=_line, none="No one is signed in.")


def _line(shown: dict[str, Any]) -> str:
    times = f"{shown['SignInTime'][:16]}  {shown['Expires'][:16]}"
    return f"{shown['SignInId']}  {times}  {shown['Kind']:<4}  {shown['Programs']:>3}  {visible(shown['Subject'])}"


def _shown(reader: Reader, session: SignInSession) -> dict[str, Any]:
    programs = records.page(reader, TokenFamily, "", prefix=f"{session.id}/", limit=_MOST_PROGRAMS)
    return {
        "SignInId": session.id,
        "Kind": session.kind,
        "AccountId": session.account or None,
        "Issuer": session.issuer,
        "Provider": session.provider,
        "Subject": session.subject,
        "SessionName": session.session_name,
        "SignInTime": session.proven_at.isoformat(),
        "Expires": session.ends.isoformat(),
        "SourceIPAddress": session.peer,
        "UserAgent": session.agent,
        "Programs": len(programs),
    }


@command.command()
@click.option("--role", metavar="NAME", help="Revoke the sessions of this role.")
@click.option("--user", metavar="NAME", help="Revoke the sessions of this user, but not its long-term keys.")
@click.option("--access-key", metavar="ID", help="Revoke the sessions that this key requested, and their sessions.")
@click.option("--delegation", metavar="ID", help="Revoke the partner's access from this accepted delegation request.")
@click.option("--sign-in", metavar="ID", help="End this sign-in of a person, and all role sessions that grew from it.")
@click.option(
    "--issued-before",
    metavar="TIME",
    callback=_read_instant,
    help="Revoke only sessions issued before TIME. Default: now.",
)
@account_option
@operator_options
def revoke(  # noqa: PLR0913 - one parameter an option
    *,
    role: str | None,
    user: str | None,
    access_key: str | None,
    delegation: str | None,
    sign_in: str | None,
    issued_before: datetime | None,
    account: str | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Revoke the sessions of a role, user, access key, delegation or sign-in."""
    if sum(value is not None for value in (role, user, access_key, delegation, sign_in)) != 1:
        raise click.UsageError("Use exactly one of --role, --user, --access-key, --delegation and --sign-in.")
    if sign_in is not None and issued_before is not None:
        raise click.UsageError("--issued-before cannot be used with --sign-in, which ends all its sessions.")
    with operator_change("sessions revoke", "RevokeSessions", store, config_file) as change:
        now, writer = change.there.clock.now(), change.writer
        before = datetime.fromtimestamp(end_of_second(now), UTC) if issued_before is None else issued_before
        change.tell(AccessKeyId=access_key, DelegationRequestId=delegation, SignInId=sign_in)
        if sign_in is None:
            change.tell(IssuedBefore=f"{before:%Y-%m-%dT%H:%M:%SZ}")
        if access_key is not None:
            _revoke_key(writer, access_key, issued_before, now)
            client_context = "a revocation of the access key"
        elif delegation is not None:
            _revoke_delegation(writer, delegation, issued_before, now)
            client_context = "a revocation of the delegation request"
        elif sign_in is not None:
            _revoke_sign_in(writer, sign_in, now)
            client_context = "a revocation of the sign-in"
        else:
            client_context = _revoke_holder(change, choose_account(writer, account), role, user, before)
    if output == "json":
        print_json({"IssuedBefore": before.isoformat(), "By": client_context})
    else:
        click.echo(f"Revoked the sessions issued before {before.isoformat()}, by {client_context}.")


def _revoke_key(writer: Writer, access_key: str, before: datetime | None, now: datetime) -> None:
    # Operators choose IDs of root keys, in any form.
    stored = load_access_key(writer, access_key)
    if not _KEY_ID.fullmatch(access_key) and stored is None:
        raise CommandError(f"{access_key!r} is not a valid access key ID.", Exit.CONFIGURATION)
    if before is None and stored is None and access_key.startswith(_TEMPORARY):
        revoke_for_good(writer, access_key, now=int(now.timestamp()))
        return
    seconds = end_of_second(now) if before is None else int(before.timestamp())
    revoke_key(writer, access_key, before=seconds, now=int(now.timestamp()))


def _revoke_sign_in(writer: Writer, sign_in: str, now: datetime) -> None:
    from daypass.sign_in.sessions import is_sign_in_id, revoke_session

    if not is_sign_in_id(sign_in):
        raise CommandError(f"{sign_in!r} is not a valid ID of a sign-in.", Exit.CONFIGURATION)
    revoke_session(writer, sign_in, now)


def _revoke_delegation(writer: Writer, request_id: str, before: datetime | None, now: datetime) -> None:
    request = find_request(writer, request_id)
    if request is None:
        raise CommandError(f"Delegation request {request_id} does not exist.", Exit.CONFIGURATION)
    state = request.state(now)
    if state not in {State.ACCEPTED, State.FINALIZED}:
        raise CommandError(
            f"Delegation request {request_id} is in the state {state.value}, in which it does not grant access.",
            Exit.CONFIGURATION,
        )
    seconds = None if before is None else int(before.timestamp())
    revoke_delegation(writer, request, before=seconds, now=int(now.timestamp()))


def _revoke_holder(change: OperatorChange, account: str, role: str | None, user: str | None, before: datetime) -> str:
    writer = change.writer
    found: Role | User | None = (
        records.find(writer, User, account, user or "") if role is None else records.find(writer, Role, account, role)
    )
    if found is None:
        noun = f"user {user}" if role is None else f"role {role}"
        raise CommandError(f"The {noun} does not exist in account {account}.", Exit.CONFIGURATION)
    records.replace(writer, without_older_sessions(found, before))
    # The names of PutRolePolicy and PutUserPolicy, with which the API does the same.
    change.tell(AccountId=account, RoleName=role, UserName=user, PolicyName=POLICY_NAME)
    return f"the inline policy {POLICY_NAME} of {found.arn}"
