"""The records without which every session and sign-in has ended.

Owns what a restore with `--revoke-all` leaves out. A session token is sealed under a sealing key, and so are the tokens
of the portal and of delegations: without the key a token does not open, on any node and whatever its content says. A
sign-in of a person, and the tokens of programs that grew from it, are records of their own.
"""

from collections.abc import Iterator
from datetime import datetime

from daypass.directory.entities.iam_entities import Entity, StoredKey
from daypass.directory.entities.sign_in_entities import SignIn, SignInSession, StoredProof, TokenFamily
from daypass.directory.records import kind_name, to_record
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Record
from daypass.directory.stored_sealing_keys import seal_key
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.ports import Entropy
from daypass.sign_in.sessions import OF_ACCOUNT, OF_PERSON

_TYPES: tuple[type[Entity], ...] = (StoredKey, SignIn, SignInSession, StoredProof, TokenFamily)
KINDS_OF_SESSIONS = frozenset(map(kind_name, _TYPES))
LINKS_OF_SESSIONS = frozenset({OF_ACCOUNT, OF_PERSON})


def new_sealing_keys(vault: SecretBox, *, now: datetime, entropy: Entropy) -> Iterator[Record]:
    """Yield the record of a new sealing key, which is active at once."""
    for key in first_sealing_ring(now=int(now.timestamp()), entropy=entropy).keys:
        yield to_record(seal_key(key, vault))
