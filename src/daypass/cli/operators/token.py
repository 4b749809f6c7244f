"""`daypass token inspect`: check a web identity token.

It also shows its condition keys. Owns the choice of the provider and its keys: from the store and the issuer, or from
files and options. Keys are fetched as the server fetches them.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from daypass.cli.operators.oidc import every_provider
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.long_input import read_text
from daypass.cli.shared.report import show_report
from daypass.cli.shared.store_options import opened, operator_options, read_config
from daypass.config import Config, ConfigurationError
from daypass.errors import Fault
from daypass.federation.oidc.inspect import MissingInput, inspect_token
from daypass.federation.oidc.issuers.known_issuers import terms_of
from daypass.federation.oidc.keys import KeySet, UnreadableKeySetError, parse_jwks
from daypass.federation.oidc.provider import ProviderTerms, find_built_in, is_issuer_url, refuse_unknown_issuer
from daypass.federation.oidc.token import read_token, without_line_end
from daypass.federation.report import InspectionReport
from daypass.operations.sts.inspected_tags import check_tags

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class _IssuerKeyLookup:
    """The issuer's keys or None, and their origin or the reason why they are missing.

    `refusal` is STS's answer without them, if it is known.
    """

    found: KeySet | None
    origin: str
    refusal: Fault | None = None


@click.group()
def command() -> None:
    """Debug web identity tokens."""


@command.command()
@click.argument(
    "source", metavar="[FILE|-]", default="-", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option("--account", metavar="12DIGITS", help="The role's account, if several accounts trust the issuer.")
@click.option(
    "--audience", "audiences", multiple=True, help="Check against this client ID, without a store. Repeatable."
)
@click.option("--jwks", type=_file, help="A file with the issuer's keys (JWK Set), instead of fetching them.")
@click.option("--offline", is_flag=True, help="Do not fetch keys from the issuer.")
@operator_options
def inspect(  # noqa: PLR0913 - one parameter an option
    *,
    source: str,
    account: str | None,
    audiences: Sequence[str],
    jwks: Path | None,
    offline: bool,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Run all checks on a token.

    The report shows the answer that STS would give, and the token's condition keys. FILE contains the token. Without
    FILE, paste or pipe the token. Exits with 0 if STS would accept the token, 5 if STS would reject it, and 6 if no
    matching provider or no keys are known.
    """
    config = read_config({"store": store}, config_file)
    token = read_text(source, what="the token")
    issuer = _find_issuer(token)
    found = _ad_hoc(issuer, audiences) if audiences else _from_store(issuer, account, config, store, config_file)
    terms = found or []
    reports = [(*_inspect(token, each, config, jwks, offline=offline), each.arn) for each in terms]
    report, keys, provider = next(
        (each for each in reports if each[0].verdict == "accepted"),
        reports[0] if reports else (*_inspect_without_provider(token, None if found is None else issuer, jwks), None),
    )
    sys.exit(show_report(check_tags(report), provider, output, keys=keys.origin))


def _find_issuer(token: str) -> str:
    try:
        return read_token(without_line_end(token)).unverified_issuer
    except Fault:
        return ""  # The report contains the error.


def _ad_hoc(issuer: str, audiences: Sequence[str]) -> list[ProviderTerms] | None:
    return [ProviderTerms("(from --audience)", issuer, frozenset(audiences))] if is_issuer_url(issuer) else None


def _from_store(
    issuer: str, account: str | None, config: Config, store: str | None, config_file: Path | None
) -> list[ProviderTerms] | None:
    """Return the providers of an issuer, or None if there is no store to read."""
    from daypass.storage.address import SqliteAddress, parse_address

    built_in = find_built_in(issuer)
    address = parse_address(config.store_url)
    if isinstance(address, SqliteAddress) and not address.path.exists():
        if store or account:
            raise CommandError(f"The store {address.path} does not exist.", Exit.CONFIGURATION)
        # A machine without a server runs the checks that need no provider.
        return None if built_in is None else [built_in]
    with opened(store, config_file) as there, there.store.read() as reader:
        found = [
            terms_of(provider)
            for provider in every_provider(reader)
            if provider.issuer == issuer and account in {None, provider.account}
        ]
    return found or ([] if built_in is None else [built_in])


def _inspect(
    token: str, terms: ProviderTerms, config: Config, jwks: Path | None, *, offline: bool
) -> tuple[InspectionReport, _IssuerKeyLookup]:
    from daypass.system_clock import SystemClock

    if jwks is not None:
        keys = _from_file(jwks)
    elif terms.pinned is not None:
        keys = _IssuerKeyLookup(terms.pinned, "pinned in the store")
    elif offline:
        keys = _IssuerKeyLookup(None, "not fetched (--offline)")
    else:
        keys = asyncio.run(_fetch_keys(terms, config))
    missing = MissingInput(why_no_keys=keys.origin, keys_refusal=keys.refusal)
    return inspect_token(token, provider=terms, keys=keys.found, now=SystemClock().now(), missing=missing), keys


def _inspect_without_provider(
    token: str, issuer: str | None, jwks: Path | None
) -> tuple[InspectionReport, _IssuerKeyLookup]:
    """Return a report without a provider. `issuer` is None if no store was read."""
    from daypass.system_clock import SystemClock

    keys = _IssuerKeyLookup(None, "not fetched: no provider trusts this issuer") if jwks is None else _from_file(jwks)
    missing = MissingInput(why_no_keys=keys.origin)
    if issuer is not None:
        missing = MissingInput("no provider trusts this issuer", refuse_unknown_issuer(issuer), keys.origin)
    return inspect_token(token, provider=None, keys=keys.found, now=SystemClock().now(), missing=missing), keys


def _from_file(path: Path) -> _IssuerKeyLookup:
    try:
        return _IssuerKeyLookup(parse_jwks(path.read_bytes()), f"from {path}")
    except (UnreadableKeySetError, OSError) as error:
        raise CommandError(f"{path} does not contain usable keys: {error}", Exit.CONFIGURATION) from error


async def _fetch_keys(terms: ProviderTerms, config: Config) -> _IssuerKeyLookup:
    from daypass.system_clock import SystemClock
    from daypass.wiring import make_issuer_keys

    clock = SystemClock()
    try:
        issuer_keys = make_issuer_keys(config, clock)
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    await issuer_keys.fetch(terms)
    try:
        found = issuer_keys.cached_keys(terms, clock.now())
    except Fault as fault:
        return _IssuerKeyLookup(None, f"could not be fetched: {fault.detail or fault.message}", fault)
    finally:
        await issuer_keys.close()
    return (
        _IssuerKeyLookup(found, f"fetched from {terms.issuer}")
        if isinstance(found, KeySet)
        else _IssuerKeyLookup(None, "could not be fetched in time")
    )
