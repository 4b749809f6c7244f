"""`daypass audit`: the audit log and its sinks.

Owns the group. audit_sinks.py has the commands for sinks.
"""

import click

from daypass.cli.operators.audit_sinks import send_test, sinks


@click.group()
def command() -> None:
    """List the sinks of the audit log, and test them."""


command.add_command(sinks)
command.add_command(send_test)
