"""A directory of one account for authentication tests, without a server.

Owns the account, and the requests that its users and sessions sign. The stage is called as the pipeline calls it, with
a store in memory and at the instant of the test.
"""

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple

import msgspec
from botocore.credentials import Credentials
from tests.authenticate.sigv4.signing import NOW, SERVICES, sign_as
from tests.mint.material import Counted

from daypass.authenticate.authenticate import Lookup, Signer, authenticate
from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.find import find_signature
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey, Account, Entity, Role, User
from daypass.directory.store import Reader, Record
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.mint.secret import Secret
from daypass.mint.session import Session, SessionKind
from daypass.mint.tokens import seal_session
from daypass.regions import is_region_name
from daypass.storage.memory import MemoryStore
from daypass.storage.vault import Vault
from daypass.testing.clock import MovableClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ACCOUNT = "123456789012"
USER_ID, ROLE_ID = "AIDAQNZGKIQYABCDEFGHI", "AROAQNZGKIQYABCDEFGHI"
KEY_ID, ROOT_KEY_ID, SESSION_KEY_ID = "AKIAQNZGKIQY56JQ7WML", "AKIAQNZGKIQY56JQ7WMM", "ASIAQNZGKIQY56JQ7WML"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ISSUED = int(NOW.timestamp()) - 600
ENDS = int(NOW.timestamp())
TRUST = '{"Version":"2012-10-17","Statement":[]}'


class Directory:
    """An account, its user, role and two long-term keys, and the stage."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.clock.freeze(NOW)
        self.store = MemoryStore(self.clock)
        self.vault = Vault(bytes(32), entropy=os.urandom)
        self.keychain = Keychain(self.vault)
        self.sealing_ring = first_sealing_ring(now=ISSUED, entropy=Counted())
        self.account = Account(id=ACCOUNT, name="a", created=NOW)
        self.user = User(id=USER_ID, account=ACCOUNT, name="alice", created=NOW)
        self.role = Role(id=ROLE_ID, account=ACCOUNT, name="deploy", created=NOW, trust=TRUST)
        self.key, self.root_key = self._key(KEY_ID, USER_ID), self._key(ROOT_KEY_ID, ACCOUNT)
        self.insert(self.account, self.user, self.role, self.key, self.root_key)

    def _key(self, key_id: str, owner: str) -> AccessKey:
        sealed = self.vault.encrypt(SECRET.encode(), bound_to=key_id)
        return AccessKey(id=key_id, account=ACCOUNT, owner=owner, sealed_secret=sealed, created=NOW)

    def insert(self, *entities: Entity) -> None:
        """Store entities."""
        with self.store.write() as writer:
            for entity in entities:
                records.insert(writer, entity)

    def delete(self, entity: Entity) -> None:
        """Remove an entity from the store."""
        with self.store.write() as writer:
            records.delete(writer, entity)

    def replace(self, entity: Entity, **changes: Any) -> None:
        """Change an entity of the store."""
        with self.store.write() as writer:
            records.replace(writer, msgspec.structs.replace(entity, **changes))

    def revoke(self, access_key_id: str, before: int) -> None:
        """Store the revocation of an access key.

        The record has the format that every version of Daypass reads.
        """
        body = msgspec.json.encode({access_key_id: before})
        with self.store.write() as writer:
            writer.insert(Record(kind="revocations", account="", key="access-keys", sort="access-keys", body=body))

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the value of a loader, as the server's views do."""
        with self.store.read() as reader:
            return loader(reader, *args)

    def token(self, session: Session) -> str:
        """Return the session token of a session."""
        return seal_session(session, sealing_ring=self.sealing_ring, now=ISSUED, entropy=Counted())

    def signer(
        self, access_key_id: str, token: str | None = None, *, secret: str = SECRET, now: datetime = NOW
    ) -> Signer:
        """Return the signer of a request that botocore signs at `now`.

        Raises the Fault if the request is refused.
        """
        read = sign_as(Credentials(access_key_id, secret, token), at=now)
        lookup = Lookup(self, self.keychain, lambda: self.sealing_ring, is_region_name, now)
        return authenticate(find_signature(read), read, services=SERVICES, lookup=lookup)


def session(kind: SessionKind = SessionKind.ROLE, **changes: Any) -> Session:
    """Return a session of that kind that expires at NOW."""
    principals = {
        SessionKind.ROLE: (ROLE_ID, "deploy", "build-17"),
        SessionKind.USER: (USER_ID, "alice", ""),
        SessionKind.FEDERATED: (USER_ID, "alice", "bob"),
        SessionKind.ROOT: (ACCOUNT, "", ""),
    }
    principal_id, principal_name, session_name = principals[kind]
    made = Session(
        kind=kind,
        account=ACCOUNT,
        principal_id=principal_id,
        principal_name=principal_name,
        session_name=session_name,
        access_key_id=SESSION_KEY_ID,
        secret=Secret(SECRET),
        issued=ISSUED,
        expires=ENDS,
        issuing_key=KEY_ID,
    )
    return msgspec.structs.replace(made, **changes)
