"""The credential of a signature: access key ID and scope in five parts.

Owns its syntax, in a header and in a query. Leaves the check of the scope to scope.py.
"""

from daypass.errors import IncompleteSignature

Credential = tuple[str, str, str, str, str]

_LONGEST_ECHO = 256


def parse_credential(text: str) -> Credential:
    """Return access key ID, date, region, service and terminator."""
    parts = text.split("/", 5)
    if len(parts) == 5 and all(parts):  # noqa: PLR2004 - the number is in AWS's message below
        return parts[0], parts[1], parts[2], parts[3], parts[4]
    raise IncompleteSignature(
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
        f"got '{text[:_LONGEST_ECHO]}'"
    )
