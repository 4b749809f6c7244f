"""`daypass saml`: debug SAML responses and configure SAML providers.

Owns the commands `inspect`, `providers` and `set`, and the choice of the provider for a response: from a metadata file
or from the store. saml_rotate_key.py owns `rotate-key`. The switches of `set` weaken checks, so no IAM permission gives
access to them.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.operators.saml_rotate_key import rotate_key
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.long_input import read_text
from daypass.cli.shared.operator_events import operator_change
from daypass.cli.shared.report import show_report
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list, read_config
from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.saml_providers import find_provider, load_providers_of, provider_name, set_switches
from daypass.directory.store import Reader
from daypass.errors import InvalidInput
from daypass.federation.report import InspectionReport
from daypass.federation.saml.candidates import find_unverified_providers
from daypass.federation.saml.inspect import inspect_response
from daypass.federation.saml.metadata import read_metadata
from daypass.federation.saml.private_key import LONGEST, parse_private_key
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.verify import find_unverified_issuers
from daypass.key_files import KeyFileError, read_key_file
from daypass.operations.saml_trust import load_trust
from daypass.operations.settings import ServiceSettings
from daypass.operations.sts.inspected_tags import check_tags

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Debug SAML responses and configure SAML providers.

    `rotate-key` rotates the key that signs requests to providers.
    """


command.add_command(rotate_key)


@command.command()
@click.argument(
    "source", metavar="[FILE|-]", default="-", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option("--metadata", type=_file, help="A file with the provider's metadata, instead of a registered provider.")
@click.option(
    "--provider",
    metavar="ARN",
    help="The registered provider. Default: found by the issuer of the assertion or the response. With --metadata: "
    "the ARN that the Role values must contain.",
)
@click.option(
    "--private-key",
    "private_keys",
    type=_file,
    multiple=True,
    help="With --metadata: a private key that decrypts assertions. Repeatable.",
)
@click.option("--public-url", metavar="URL", help="The public URL of the server.")
@operator_options
def inspect(  # noqa: PLR0913 - one parameter an option
    *,
    source: str,
    metadata: Path | None,
    provider: str | None,
    private_keys: Sequence[Path],
    public_url: str | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Run all checks on a SAML response.

    The report shows the answer that STS would give, and how to fix problems. FILE contains the value of the
    SAMLResponse form field, in base64. Without FILE, paste or pipe the value. Exits with 0 if STS would accept the
    SAML response, 5 if STS would reject it, and 6 if no matching provider is known.
    """
    config = read_config({"store": store, "public_url": public_url}, config_file)
    response = read_text(source, what="the SAMLResponse")
    if metadata is not None:
        trusts = [_from_file(metadata, provider, private_keys, config)]
    elif private_keys:
        raise CommandError("--private-key needs --metadata: the store contains its providers' keys.", Exit.USAGE)
    else:
        trusts = _from_store(response, provider, store, config_file, config)
    is_named = metadata is None or provider is not None
    report, name = _inspect(response, trusts, config, is_named=is_named)
    sys.exit(show_report(check_tags(report), name, output, server=config.url))


def _inspect(
    response: str, trusts: Sequence[Trust], config: Config, *, is_named: bool
) -> tuple[InspectionReport, str | None]:
    """Return the report of the first provider that accepts the response, else of the first one.

    `is_named` is whether the ARNs of the providers are known.
    """
    from daypass.system_clock import SystemClock
    from daypass.wiring import saml_rules

    settings = ServiceSettings(public_url=config.url, saml=saml_rules(config)).for_saml()
    now = SystemClock().now()
    reports = []
    for trust in trusts:
        arn = trust.provider_arn
        provider = arn if is_named else None
        reports.append((inspect_response(response, trust=trust, settings=settings, now=now, provider=provider), arn))
    if not reports:
        return inspect_response(response, trust=None, settings=settings, now=now), None
    return next((each for each in reports if each[0].verdict == "accepted"), reports[0])


def _from_file(metadata: Path, provider: str | None, private_keys: Sequence[Path], config: Config) -> Trust:
    named = ("000000000000", metadata.name) if provider is None else provider_name(provider)
    if named is None:
        raise CommandError(f"{provider} is not the ARN of a SAML provider.", Exit.USAGE)
    try:
        return Trust(
            account=named[0],
            provider_name=named[1],
            metadata=read_metadata(metadata.read_text(encoding="utf-8-sig")),
            decryption_keys=tuple(map(read_private_key, private_keys)),
            allow_sha1=config.saml_allow_sha1,
        )
    except (InvalidInput, KeyFileError, OSError, UnicodeDecodeError) as error:
        raise CommandError(getattr(error, "detail", "") or str(error), Exit.CONFIGURATION) from error


def read_private_key(path: Path) -> "RSAPrivateKey":
    """Return the private key in a file.

    Raises InvalidInput, KeyFileError or UnicodeDecodeError.
    """
    return parse_private_key(read_key_file(path, most_bytes=LONGEST).decode("ascii"))


def _from_store(
    response: str, provider: str | None, store: str | None, config_file: Path | None, config: Config
) -> list[Trust]:
    from daypass.storage.address import SqliteAddress, parse_address

    address = parse_address(config.store_url)
    if isinstance(address, SqliteAddress) and not address.path.exists():
        if store or provider:
            raise CommandError(f"The store {address.path} does not exist.", Exit.CONFIGURATION)
        return []  # A machine without a server runs the checks that need no provider.
    with opened(store, config_file) as there, there.store.read() as reader:
        if provider is not None:
            arns: Sequence[str] = (_get_provider(reader, provider).arn,)
        else:
            arns = _find_providers(reader, response)
        found = [load_trust(reader, arn, there.vault) for arn in arns]
    return [replace(trust, allow_sha1=trust.allow_sha1 or config.saml_allow_sha1) for trust in found if trust]


def _find_providers(reader: Reader, response: str) -> list[str]:
    """Return the ARNs of the providers that may have sent a response.

    Those that its Role values name come first, because a caller names one of them. A named provider with another issuer
    is used only if no provider has the issuer.
    """
    named = find_unverified_providers(response)
    found = [arn for issuer in find_unverified_issuers(response) for arn in load_providers_of(reader, issuer)]
    arns = [*(arn for arn in named if arn in found), *found] or named
    return list(dict.fromkeys(arns))


@command.command()
@operator_options
def providers(store: str | None, config_file: Path | None, output: str) -> None:
    """List the SAML providers of every account, and which checks are relaxed."""
    with opened(store, config_file) as there, there.store.read() as reader:
        found = [_shown(provider) for provider in records.each(reader, SamlProvider, None)]
    none = "No SAML providers. Run `aws iam create-saml-provider` to create one."
    print_list("Providers", found, output, line=_line, none=none)


def _line(shown: dict[str, Any]) -> str:
    switches = [word for word, is_on in (("lax", shown["Lax"]), ("sha-1", shown["AllowSha1"])) if is_on]
    return "  ".join([shown["Arn"], shown["EntityId"], *switches])


@command.command(name="set")
@click.argument("arn")
@click.option("--lax/--strict", default=None, help="Accept the deviations that AWS also accepts (docs/saml.md).")
@click.option("--allow-sha1/--refuse-sha1", "sha1", default=None, help="Accept SHA-1 signatures and digests.")
@operator_options
def set_command(
    *, arn: str, lax: bool | None, sha1: bool | None, store: str | None, config_file: Path | None, output: str
) -> None:
    """Relax the checks of a provider's assertions, or restore them.

    A running server applies this at once.
    """
    with operator_change("saml set", "SetSAMLProvider", store, config_file) as change:
        new = set_switches(change.writer, _get_provider(change.writer, arn), lax=lax, allow_sha1=sha1)
        change.tell(Arn=arn, Lax=new.lax, AllowSha1=new.allow_sha1)
    if output == "json":
        print_json(_shown(new))
    else:
        click.echo(
            f"{arn}: {'lax' if new.lax else 'strict'}, SHA-1 {'allowed' if new.allow_sha1 else 'refused'}", err=True
        )


def _get_provider(reader: Reader, arn: str) -> SamlProvider:
    found = find_provider(reader, arn)
    if found is None:
        raise CommandError(
            f"SAML provider {arn} does not exist. Run `daypass saml providers` to see all providers.",
            Exit.CONFIGURATION,
        )
    return found


def _shown(provider: SamlProvider) -> dict[str, Any]:
    return {
        "Arn": provider.arn,
        "EntityId": provider.entity_id,
        "ValidUntil": None if provider.valid_until is None else provider.valid_until.isoformat(),
        "AssertionEncryptionMode": provider.encryption or "Allowed",
        "PrivateKeys": [key.id for key in provider.keys],
        "Lax": provider.lax,
        "AllowSha1": provider.allow_sha1,
    }
