"""Shared code of `apply`, `export` and `import`.

Owns reading a file, the audit log, tools for transactions, and the message and exit code of an ApplyFileError.
"""

import os
import pwd
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daypass.cli.shared.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from daypass.apply.apply import Tools
    from daypass.apply.file.secret_names import Secrets
    from daypass.audit.sinks import Sink
    from daypass.config import Config
    from daypass.operations.settings import Quotas
    from daypass.storage.views import OpenedStore


def read_file(path: Path, most: int) -> bytes:
    """Return at most `most` + 1 bytes of a file, or of standard input for `-`.

    Stops if it cannot be read, or changes meanwhile.
    """
    if str(path) == "-":
        return sys.stdin.buffer.read(most + 1)
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            content = file.read(most + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.", Exit.USAGE) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise CommandError(f"{path} changed while it was read. Try again when it is complete.", Exit.LOCKED)
    return content


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Translate an ApplyFileError into a message with its position.

    The exit code is 4 if a rule rejects the file, and 2 if the file cannot be parsed.
    """
    from daypass.apply.file.nodes import ApplyFileError

    try:
        yield
    except ApplyFileError as mistake:
        # The command has reported the batches that were committed before.
        words = f"{path}: {mistake}" + ("" if mistake.is_late else "\nNo changes were made.")
        raise CommandError(words, Exit.REFUSED if mistake.refused else Exit.USAGE) from mistake


@contextmanager
def audited(config: "Config") -> Iterator["Sink"]:
    """Open the server's audit log.

    If the server logs to standard output, use standard error.
    """
    from daypass.audit.sinks import LineSink, open_sink
    from daypass.config import ConfigurationError
    from daypass.wiring_audit import audit_target, command_copies

    target = audit_target(config)
    try:
        copies = command_copies(config, target)
        log: Sink = LineSink(sys.stderr.buffer, copies=copies) if target == "-" else open_sink(target, copies=copies)
    except OSError as error:
        raise CommandError(f"Cannot write the audit log {target}: {error.strerror}.", Exit.CONFIGURATION) from error
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    try:
        yield log
    finally:
        log.close()


def tools_for(there: "OpenedStore", config: "Config", sink: "Sink", *, command: str, secrets: "Secrets") -> "Tools":
    """Return the transaction tools of a command, with the configured quotas."""
    return tools_with(there, config.quotas, sink, command=command, secrets=secrets)


def tools_with(there: "OpenedStore", quotas: "Quotas", sink: "Sink", *, command: str, secrets: "Secrets") -> "Tools":
    """Return the transaction tools of a command, with the given quotas."""
    from daypass.apply.apply import Tools
    from daypass.apply.store.api import AuditOrigin
    from daypass.apply.store.operator_context import operator_context
    from daypass.operations.registry import full_registry
    from daypass.operations.settings import ServiceSettings
    from daypass.storage.draft import Draft
    from daypass.wire.catalog import Catalog
    from daypass.wiring import HOME_REGION

    settings = ServiceSettings(quotas=quotas)
    now = there.clock.now()
    return Tools(
        store=there.store,
        vault=there.vault,
        catalog=Catalog.load(),
        registry=full_registry(),
        open_draft=Draft,
        open_context=lambda writer: operator_context(
            writer, now=now, region=HOME_REGION, entropy=there.entropy, vault=there.vault, settings=settings
        ),
        source=AuditOrigin(f"daypass {command} by {user_name()}", HOME_REGION, lambda: str(uuid.uuid4())),
        secrets=secrets,
        record=sink,
    )


def user_name() -> str:
    """Return the name of the user who runs this command."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
