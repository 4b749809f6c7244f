"""`daypass scope -- COMMAND`: run a command with fewer permissions.

For AI agents and other programs that should not have the whole session of the person who starts them. Owns the options
that limit the credentials; client/sessions/scoped_session.py gets them, and `daypass exec` runs the command.
"""

import re

import click

from daypass.cli.people.exec_ import ChildCommand, run_with_credentials
from daypass.cli.shared.credentials_output import emit, format_option, shell_option
from daypass.cli.shared.selection import Selection, with_session
from daypass.cli.shared.session_options import MFA, ROLE, SESSION, TAGS, Duration, read_policy_file, selecting
from daypass.client.problems import BadUsageError
from daypass.client.sessions.scoped_session import READ_ONLY, Scope, get_scoped, policy_of

_NO_IAM = (
    "daypass: IAM does not accept a user's session without an MFA code. "
    "If the command calls IAM, add --mfa-serial auto, or --role with a role."
)
_OF_IAM = re.compile(r'"iam:|"NotAction"|"Action"\s*:\s*\[?\s*"\*"')
_SEPARATORS = re.compile(r"[,\s]+")


class _Scope(ChildCommand):
    """A command that may be called without a child."""

    needs_child = False


@click.command(cls=_Scope, context_settings={"allow_interspersed_args": False})
@selecting("scope", ROLE, SESSION, TAGS, MFA)
@click.option(
    "--policy",
    default="",
    metavar="FILE",
    callback=read_policy_file,
    help="The policy as a file or as JSON.",
)
@click.option("--read-only", is_flag=True, help="Allow only actions that read, in the services of a Daypass server.")
@click.option(
    "--actions", multiple=True, metavar="ACTION,…", help="Allow only these actions, such as s3:GetObject. Repeatable."
)
@click.option(
    "--resource", "resources", multiple=True, metavar="ARN", help="Allow the actions only on this resource. Repeatable."
)
@click.option(
    "--duration",
    "seconds",
    type=Duration(),
    default=0,
    help="How long the credentials are valid: 10m or 600 (seconds). Default: the rest of the session.",
)
@click.option("--description", default="", metavar="TEXT", help="A description for the audit log.")
@format_option
@shell_option
@click.argument("words", nargs=-1, metavar="[-- COMMAND [WORDS]...]")
def command(  # noqa: PLR0913 - one for each option
    selection: Selection,
    *,
    policy: str,
    read_only: bool,
    actions: tuple[str, ...],
    resources: tuple[str, ...],
    seconds: int,
    description: str,
    output: str,
    shell: str,
    words: tuple[str, ...],
) -> int:
    """Run COMMAND with a part of your permissions.

    COMMAND gets credentials of your session, limited to a policy, to actions or to a time, and no others. Use it for AI
    agents and for tools that you do not trust with everything. Without COMMAND, print the credentials, as `daypass
    assume` does.

    The limits also apply to the roles that COMMAND assumes.
    """
    limits = Scope(_policy(policy, read_only=read_only, actions=actions, resources=resources), seconds, description)
    if not limits.policy and not limits.seconds:
        raise BadUsageError("Name the limits: --read-only, --actions, --policy, --duration, or several of them.")
    selection = with_session(selection)
    request = selection.request
    if request.method == "session" and not request.mfa_serial and _may_call_iam(limits.policy):
        click.echo(_NO_IAM, err=True)
    entry = get_scoped(selection.request, selection.client_context, limits)
    if words:
        return run_with_credentials(entry, selection, words)
    emit(entry, selection, output, shell)
    return 0


def _may_call_iam(policy: str) -> bool:
    return not policy or _OF_IAM.search(policy) is not None


def _policy(policy: str, *, read_only: bool, actions: tuple[str, ...], resources: tuple[str, ...]) -> str:
    """Return the policy that the options make, or an empty string."""
    if sum(map(bool, (policy, read_only, actions))) > 1:
        raise BadUsageError("Use only one of --policy, --read-only and --actions.")
    if read_only:
        return policy_of(READ_ONLY, resources)
    named = [action for text in actions for action in _SEPARATORS.split(text) if action]
    if actions:
        return policy_of(named, resources)
    if resources:
        raise BadUsageError("--resource needs --actions or --read-only. A policy names its own resources.")
    return policy
