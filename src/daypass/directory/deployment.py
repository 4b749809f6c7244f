"""The identifier of a deployment: a random name, made once for each store.

Owns its form. AWS's clients compare it and send it back, but never connect to it.

* It has 16 hexadecimal digits, like the instances of IAM Identity Center.
* It begins with `da`. The identifiers that AWS issues begin with four decimal digits, which stand for the region of the
  instance. Thus it is never the name of a real instance, even if a client asks AWS for it by mistake.
"""

from daypass.directory import records
from daypass.directory.entities.deployment_entities import Deployment
from daypass.directory.store import Reader, Writer
from daypass.ports import Entropy

_PREFIX = "da"
_RANDOM_BYTES = 7


def load_deployment_identifier(reader: Reader) -> str:
    """Return the identifier of the store, or "" if it has none yet."""
    found = records.page(reader, Deployment, "", limit=1)
    return found[0].identifier if found else ""


def create_deployment_identifier(writer: Writer, entropy: Entropy) -> str:
    """Return the identifier of the store, and make it if it has none yet."""
    existing = load_deployment_identifier(writer)
    if existing:
        return existing
    identifier = _PREFIX + entropy(_RANDOM_BYTES).hex()
    records.insert(writer, Deployment(identifier=identifier))
    return identifier
