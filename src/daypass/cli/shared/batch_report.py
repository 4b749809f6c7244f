"""The report about batches that were committed before a failure.

`apply` and `import` use it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from daypass.cli.shared.root_key_profile import endpoints_block, profile_block

if TYPE_CHECKING:
    from daypass.apply.apply import Committed
    from daypass.bootstrap import RootKey
    from daypass.config import Config


@contextmanager
def telling_of_batches(config: "Config") -> Iterator[Callable[["Committed"], None]]:
    """Yield the function to call after each batch.

    If a later batch fails, the command says how much was committed. Root keys of new accounts cannot be shown again,
    so they are printed then too.
    """
    last: Committed | None = None

    def committed(batches: "Committed") -> None:
        nonlocal last
        last = batches

    try:
        yield committed
    except BaseException:
        if last is not None:
            print_root_keys(last.root_keys, config)
            words = (
                f"{last.done:,} of {last.total:,} changes were made before, in complete batches, and remain. "
                "Run the command again to make the others."
            )
            click.echo(f"daypass: {words}", err=True)
        raise


def print_root_keys(keys: "Iterable[RootKey]", config: "Config") -> None:
    """Print the root keys of new accounts, and the profiles that use them."""
    for key in keys:
        words = f"Account {key.account} was created. Its root access key is shown only once."
        click.echo(f"\n{words} Add it to ~/.aws/credentials:\n", err=True)
        click.echo(profile_block(key))
        click.echo("\nAdd the endpoints of the services to ~/.aws/config:\n", err=True)
        click.echo(endpoints_block(key, config.url, config.s3_url))
