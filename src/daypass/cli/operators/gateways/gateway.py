"""`daypass gateway`: run the S3 gateway.

Owns the options. gateway_start.py, which starts it, imports the gateway's modules, so that `--help` responds at once.
"""

import sys
from pathlib import Path
from typing import Any

import click

from daypass.cli.shared.store_options import config_option, output_option, store_option


@click.group(invoke_without_command=True)
@click.option("--listen", metavar="HOST:PORT", help="The address of the S3 endpoint. Default: 127.0.0.1:7880.")
@click.option("--backend", metavar="URL", help="The store of objects behind the gateway.")
@click.option(
    "--backend-key-file", metavar="FILE", help='The store\'s key: JSON with "AccessKeyId" and "SecretAccessKey".'
)
@click.option("--profile", metavar="NAME", help="The kind of the store, such as seaweedfs.")
@click.option("--verify-listen", metavar="HOST:PORT", help="The address of /verify, for proxies.")
@click.option(
    "--admin-listen",
    metavar="HOST:PORT",
    help="The address of /healthz, /readyz and /metrics. Default: 127.0.0.1:7881.",
)
@click.option(
    "--domain", "domains", metavar="SUFFIX", multiple=True, help="A domain whose host names begin with a bucket."
)
@click.option("--account", metavar="12DIGITS", help="The account that owns every bucket that nothing maps.")
@click.option("--workers", type=click.IntRange(1), help="The number of worker processes. Default: 1.")
@click.option("--tls-cert", metavar="FILE", help="The certificate chain (PEM). SIGHUP reloads it.")
@click.option("--tls-key", metavar="FILE", help="The certificate's private key (PEM).")
@store_option
@click.option("--server", metavar="URL", help="The Daypass server, for a gateway without access to the store.")
@click.option(
    "--resource-server",
    metavar="NAME",
    help="The name that the gateway is registered under at --server. Default: gateway.",
)
@click.option("--identity-profile", metavar="PROFILE", help="The AWS profile that the gateway signs with at --server.")
@click.option(
    "--self-check/--no-self-check",
    default=None,
    help="Check at the start whether the stores behave as their profiles say. Default: check.",
)
@config_option
@click.pass_context
def command(ctx: click.Context, /, *, config_file: Path | None, store: str | None, **flags: Any) -> None:
    """Run the S3 gateway in front of a store of objects.

    Every request is decided with the accounts, roles, sessions and policies of this Daypass. The store sees only the
    requests that are allowed, signed with its own key.
    """
    if ctx.invoked_subcommand is not None:
        return
    # structlog would load rich for coloured tracebacks, which a gateway never prints: 6 MiB in each worker.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type] # the documented way to make an import fail
    from daypass.cli.operators.gateways.gateway_start import start

    sys.exit(start(flags, store, config_file))


@command.command("check")
@click.option("--backend", metavar="URL", help="The store of objects. Default: the backends of the configuration file.")
@click.option(
    "--backend-key-file", metavar="FILE", help='The store\'s key: JSON with "AccessKeyId" and "SecretAccessKey".'
)
@click.option("--profile", metavar="NAME", help="The kind of the store, such as seaweedfs.")
@config_option
@output_option
def check(config_file: Path | None, output: str, **flags: str | None) -> None:
    """Find out whether a store behaves as its profile says.

    The check writes odd keys and cut uploads to a bucket that it creates, and deletes the bucket at the end. The exit
    code is 6 if the profile is wrong.
    """
    from daypass.cli.operators.gateways.gateway_check import check_command

    sys.exit(check_command(flags, config_file, output))
