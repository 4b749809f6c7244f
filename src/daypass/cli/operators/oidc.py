"""`daypass oidc providers|set`: list and configure trusted issuers.

Further claims and pinned keys change which tokens are trusted, so only an operator may change them and no IAM
permission gives access to them. The commands open the store itself; a live server may use it at the same time.
oidc_client.py owns `daypass oidc client`: the clients with which people sign in.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from daypass.arn import account_in_arn
from daypass.cli.operators.oidc_client import client
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import operator_change
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list
from daypass.counted import counted
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider, find_provider_name
from daypass.directory.store import Reader
from daypass.federation.oidc.issuers.operator_terms import count_pinned, parse_claims, set_terms
from daypass.federation.oidc.keys import UnreadableKeySetError, parse_jwks

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """List and configure OpenID Connect providers.

    `set` exposes further claims to policies, and pins keys of offline issuers. `client` manages the clients with which
    people sign in.
    """


command.add_command(client)


@command.command()
@operator_options
def providers(store: str | None, config_file: Path | None, output: str) -> None:
    """List the OpenID Connect providers of every account."""
    with opened(store, config_file) as there, there.store.read() as reader:
        found = [_shown(provider) for provider in every_provider(reader)]
    none = "No OpenID Connect providers. Run `aws iam create-open-id-connect-provider` to create one."
    print_list("Providers", found, output, line=_line, none=none)


def _line(shown: dict[str, Any]) -> str:
    claims = f"claims {','.join(shown['FurtherClaims'])}" if shown["FurtherClaims"] else ""
    pinned = counted(shown["PinnedKeys"], "pinned key") if shown["PinnedKeys"] else ""
    return "  ".join(filter(None, (shown["Arn"], ",".join(shown["ClientIds"]) or "no client ids", claims, pinned)))


@command.command(name="set")
@click.argument("arn")
@click.option(
    "--claim", "claims", multiple=True, help="Expose CLAIM, PATH/TO/CLAIM or CLAIM=NAME to policies. Repeatable."
)
@click.option("--no-claims", is_flag=True, help="Expose only the claims that AWS exposes.")
@click.option("--pin", type=_file, help="Trust the keys in this JWK Set; never fetch keys from the issuer.")
@click.option("--unpin", is_flag=True, help="Remove pinned keys; fetch keys from the issuer again.")
@operator_options
def set_command(  # noqa: PLR0913 - one parameter an option
    *,
    arn: str,
    claims: Sequence[str],
    no_claims: bool,
    pin: Path | None,
    unpin: bool,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Replace the further claims of a provider, or pin its keys.

    A running server applies this at once.

    `groups` exposes a top-level claim, `realm_access/roles` a nested claim, and `https://acme.example/groups=team` a
    claim that policies name `team`. Policies use them as condition keys of the issuer, such as `issuer.example:groups`.
    """
    if (claims and no_claims) or (pin and unpin):
        raise click.UsageError("--claim and --no-claims, or --pin and --unpin, cannot be used together.")
    further, pinned = _read_claims(claims), None if pin is None else _read_keys(pin)
    with operator_change("oidc set", "SetOpenIDConnectProvider", store, config_file) as change:
        new = set_terms(
            change.writer,
            _get_provider(change.writer, arn),
            further_claims=further if further or no_claims else None,
            pinned_keys="" if unpin else pinned,
        )
        shown = _shown(new)
        change.tell(Arn=arn, FurtherClaims=shown["FurtherClaims"], PinnedKeys=shown["PinnedKeys"])
    if output == "json":
        print_json(shown)
        return
    names = ", ".join(new.further_claims) or "none"
    click.echo(f"{arn}: further claims {names}; {counted(shown['PinnedKeys'], 'pinned key')}", err=True)


def every_provider(reader: Reader) -> list[OidcProvider]:
    """Return the providers of all accounts."""
    return list(records.each(reader, OidcProvider, None))


def _read_claims(claims: Sequence[str]) -> tuple[str, ...]:
    try:
        parse_claims(claims)
    except ValueError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    return tuple(claims)


def _read_keys(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        parse_jwks(text.encode())
    except (UnreadableKeySetError, OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} does not contain usable keys: {error}", Exit.CONFIGURATION) from error
    return text


def _get_provider(reader: Reader, arn: str) -> OidcProvider:
    account = account_in_arn(arn)
    name = find_provider_name(arn, account)
    found = None if name is None else records.find(reader, OidcProvider, account, name)
    if found is None:
        raise CommandError(
            f"Provider {arn} does not exist. Run `daypass oidc providers` to see all providers.", Exit.CONFIGURATION
        )
    return found


def _shown(provider: OidcProvider) -> dict[str, Any]:
    return {
        "Arn": provider.arn,
        "Url": provider.issuer,
        "ClientIds": list(provider.client_ids),
        "Thumbprints": list(provider.thumbprints),
        "FurtherClaims": list(provider.further_claims),
        "PinnedKeys": count_pinned(provider),
    }
