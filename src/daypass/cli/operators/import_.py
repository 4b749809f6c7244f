"""`daypass import FILE`: import the IAM entities of an AWS account.

Owns the options, the progress bar and the output. importing/ owns the conversion.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.shared.apply_context import audited, explaining, read_file, tools_with
from daypass.cli.shared.batch_report import telling_of_batches
from daypass.cli.shared.progress import shown_progress
from daypass.cli.shared.root_key_profile import profile_block
from daypass.cli.shared.secret_source import SecretSource
from daypass.cli.shared.store_options import opened, operator_options, print_json, read_config

if TYPE_CHECKING:
    from daypass.importing.converter import Omission
    from daypass.importing.importer import Imported

_NAMED = 5


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--account", metavar="ID", default="", help="The account to import into.")
@click.option("--rewrite", is_flag=True, help="Replace the old account ID in the ARNs of all policy documents.")
@click.option("--backend", metavar="NAME", default="", help="The gateway's backend with the buckets of FILE.")
@click.option("--dry-run", is_flag=True, help="Print the import plan without changing the store.")
@operator_options
def command(  # noqa: PLR0913 - one parameter an option
    *,
    file: Path,
    account: str,
    rewrite: bool,
    backend: str,
    dry_run: bool,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Import FILE, the IAM entities of an AWS account, into the store.

    FILE is the output of `aws iam get-account-authorization-details`, and may contain answers of `aws s3api` about
    buckets. `-` reads standard input.
    """
    from daypass.importing.details import MAX_BYTES, read_details
    from daypass.importing.importer import ImportOptions, import_account, roomy

    config = read_config({"store": store}, config_file)
    wish = ImportOptions(account, backend, rewrite=rewrite, is_trial=dry_run)
    with explaining(file):
        details = read_details(read_file(file, MAX_BYTES))
        with (
            opened(store, config_file, makes=True) as there,
            audited(config) as sink,
            shown_progress("Importing", "steps") as progress,
            telling_of_batches(config) as committed,
        ):
            tools = tools_with(there, roomy(config.quotas), sink, command="import", secrets=SecretSource({}))
            imported = import_account(
                details, replace(tools, progress=progress, committed=committed), wish, there.entropy
            )
    _print(imported, output, is_done=not dry_run)


def _print(imported: "Imported", output: str, *, is_done: bool) -> None:
    if output == "json":
        print_json(_plain(imported, is_done=is_done))
        return
    from daypass.apply.plan.plan_output import summary

    click.echo(
        f"Account {imported.origin} {'was' if is_done else 'would be'} imported into account {imported.account}."
    )
    click.echo(summary(imported.outcome.plan, is_done=is_done))
    if imported.omissions:
        click.echo(f"\nNot imported, or changed ({len(imported.omissions)}):")
        for line in _told(imported.omissions):
            click.echo(f"  {_visible(line)}")
    for key in imported.outcome.root_keys:
        click.echo(f"\nAccount {key.account} was created. Its root access key is shown only once:\n", err=True)
        click.echo(profile_block(key))


def _told(losses: tuple["Omission", ...]) -> Iterator[str]:
    """Yield each reason once, with the first entities that it applies to."""
    by_words: dict[str, list[str]] = {}
    for loss in losses:
        by_words.setdefault(loss.words, []).append(loss.thing)
    for words, things in by_words.items():
        more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
        yield f"{', '.join(things[:_NAMED])}{more}: {words}"


def _plain(imported: "Imported", *, is_done: bool) -> dict[str, Any]:
    from daypass.apply.plan.differences import Verb
    from daypass.apply.plan.plan_output import plain_plan

    plan = imported.outcome.plan
    return {
        "Applied": is_done,
        "OriginAccountId": imported.origin,
        "AccountId": imported.account,
        "Summary": plain_plan(plan)["Summary"],
        "Kinds": {
            kind: {verb.value.capitalize(): sum(1 for _ in plan.of(verb, kind)) for verb in Verb}
            for kind in ("policy", "group", "user", "role", "bucket")
        },
        "NotCarriedOver": [{"Thing": loss.thing, "Reason": loss.words} for loss in imported.omissions],
        "RootAccessKeys": [
            {"AccountId": key.account, "AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key}
            for key in imported.outcome.root_keys
        ],
    }


def _visible(text: str) -> str:
    """Return a string with unprintable characters escaped, so that they cannot control the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
