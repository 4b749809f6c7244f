"""`daypass roles`: list roles.

They are in the profiles, an assertion, or the caller's account.
"""

from typing import Any

import click

from daypass.cli.shared.output import output_option, query_option, show
from daypass.cli.shared.selection import means_of, select
from daypass.cli.shared.session_options import CODE, HOW, PLACE
from daypass.cli.shared.session_options import options as with_options
from daypass.cli.shared.sign_in import read_assertion
from daypass.client.sessions.get_credentials import get_credentials, with_endpoint
from daypass.client.sign_in.assertions import clean_assertion, offers
from daypass.client.text_format import printable


@click.command()
@with_options(PLACE, CODE, HOW)
@click.option(
    "--assertion-file",
    default="",
    metavar="FILE",
    help="List the roles that a SAMLResponse offers; - reads standard input.",
)
@click.option("--in-account", is_flag=True, help="Also list the roles of your account (needs iam:ListRoles).")
@output_option
@query_option
def command(*, assertion_file: str, in_account: bool, output: str, query: str, **place: Any) -> None:
    """List the roles in your profiles, in an assertion, or in your account."""
    rows = _offered(assertion_file) if assertion_file else _of_profiles()
    if in_account:
        rows += _of_account(place)
    if output == "text" and not query:
        for row in rows:
            click.echo(f"{row['Arn']}  {row['From']}")
        if not rows:
            click.echo(f"daypass: {_say_none(assertion_file, in_account=in_account)}", err=True)
    else:
        show(rows, output, query)


def _say_none(assertion_file: str, *, in_account: bool) -> str:
    if assertion_file:
        return "No readable roles in the assertion. Only STS can read an encrypted one."
    if in_account:
        return "No roles in your profiles or your account."
    return (
        "No roles in your profiles. Use --in-account for the roles of your account, or --assertion-file for "
        "those of an assertion."
    )


def _offered(source: str) -> list[dict[str, str]]:
    found = offers(clean_assertion(read_assertion(source)))
    return [{"Arn": printable(each.role_arn), "From": printable(each.provider_arn)} for each in found]


def _of_profiles() -> list[dict[str, str]]:
    client_context = means_of({})
    rows = []
    for name, profile in sorted(client_context.profiles.by_name.items()):
        own = profile.request
        roles = own.role_arn[-1:] if own else (profile.options.get("role_arn", ""),)
        rows += [{"Arn": printable(role), "From": f"profile {printable(name)}"} for role in roles if role]
    return rows


def _of_account(place: dict[str, Any]) -> list[dict[str, str]]:
    from daypass.client.profiles.endpoints import find_endpoint, profile_at_hand
    from daypass.client.sessions.sts_call import CallSigner, call, connect

    selection = select("role", dict(place))
    client_context, request = selection.client_context, with_endpoint(selection.request, selection.client_context)
    at_hand = profile_at_hand(client_context.environment, request.profile or request.source_profile)
    url = place["endpoint_url"] or find_endpoint(client_context.environment, client_context.profiles, at_hand, "iam")
    signer = CallSigner(credentials=get_credentials(request, client_context).credentials)
    iam = connect("iam", signer, endpoint_url=url, region=request.region)
    rows: list[dict[str, str]] = []
    marker: dict[str, str] = {}
    while True:
        answer = call(iam, "ListRoles", {"MaxItems": 1000, **marker})
        rows += [{"Arn": printable(role["Arn"]), "From": "the account"} for role in answer["Roles"]]
        if not answer.get("IsTruncated"):
            return rows
        marker = {"Marker": answer["Marker"]}
