"""Build the audit log of one process, and the copies for its sinks.

Owns the places of the log and of the spool, and the words for settings that do not work.
"""

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from daypass.audit.sinks import Health, ServerSink, open_sink
from daypass.config import Config, ConfigurationError
from daypass.http.throttle import peer_network
from daypass.storage.address import SqliteAddress, parse_address

if TYPE_CHECKING:
    from daypass.audit.delivery.delivery import AuditDelivery, SpooledCopies


def audit_target(config: Config) -> str:
    """Return the target of audit events.

    It is the configured one, else a file beside the database, else standard output.
    """
    if config.audit_log:
        return config.audit_log
    address = parse_address(config.store_url)
    return str(address.path.absolute().with_name("audit.jsonl")) if isinstance(address, SqliteAddress) else "-"


def audit_file(config: Config) -> str:
    """Return the file of the audit log, or "" if it is not a file."""
    target = audit_target(config)
    return "" if target in {"-", "none"} else target


def spool_root(config: Config, target: str) -> Path:
    """Return the directory of the spools.

    It is the configured one, else beside the audit log, else beside the database. Raises ConfigurationError if it
    cannot be known.
    """
    if config.audit_spool:
        return Path(config.audit_spool).absolute()
    if target not in {"-", "none"} and _is_file(Path(target)):
        return Path(target).absolute().with_name(f"{Path(target).stem}-spool")
    address = parse_address(config.store_url)
    if isinstance(address, SqliteAddress):
        return address.path.absolute().with_name("audit-spool")
    raise ConfigurationError(
        "audit_spool (DAYPASS_AUDIT_SPOOL) is missing: audit sinks need a directory on this machine for events that "
        "they have not accepted yet"
    )


def open_delivery(config: Config, target: str, *, workers: int) -> "AuditDelivery | None":
    """Start the sinks of one worker, or return None without sinks.

    The workers share the limit of the spool. Raises ConfigurationError.
    """
    if not config.sinks:
        return None
    from daypass.audit.delivery.delivery import AuditDelivery, shares_of  # only if a sink wants it

    root = spool_root(config, target)
    try:
        return AuditDelivery(shares_of(config.sinks, workers), root, is_only_record=target == "none")
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(_unusable(root, error)) from error


def open_server_log(target: str, health: Health, delivery: "AuditDelivery | None") -> ServerSink:
    """Return the audit log of a server. Raises ConfigurationError."""
    try:
        return open_sink(target, health, peer_network, delivery)
    except OSError as error:
        if delivery is not None:
            delivery.close()
        raise ConfigurationError(f"cannot write the audit log {target}: {error.strerror}") from error


def command_copies(config: Config, target: str) -> "SpooledCopies | None":
    """Return the copies of a command's events, or None without sinks.

    A server takes them over and sends them. Raises ConfigurationError.
    """
    if not config.sinks:
        return None
    from daypass.audit.delivery.delivery import SpooledCopies

    root = spool_root(config, target)
    try:
        return SpooledCopies(config.sinks, root)
    except OSError as error:
        raise ConfigurationError(_unusable(root, error)) from error


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # it is created


def _unusable(root: Path, error: OSError) -> str:
    return (
        f"audit_spool {root} cannot be used: {error.strerror or error}. It must be a directory that only the server "
        "uses, on a file system with locks"
    )
