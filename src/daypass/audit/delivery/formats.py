"""The forms of an event: CloudTrail's, as in the audit log, or OCSF.

Owns the choice.
"""

from daypass.audit.delivery.destination import Format
from daypass.audit.delivery.sink_settings import OCSF


def format_of(name: str) -> Format:
    """Return the function that changes a line of the log, without its end."""
    if name == OCSF:
        from daypass.audit.delivery.ocsf import to_ocsf_line  # only if a sink wants it

        return to_ocsf_line
    return _as_it_is


def _as_it_is(line: bytes) -> bytes:
    return line
