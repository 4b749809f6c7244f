"""Every secret in the store that is sealed under a data key.

Owns the table SEALED: for each type of entity, the members that hold sealed values, and the names that these are bound
to. A rotation of the data key seals each again, and a check of the store opens each. A new member with a sealed value
is a new row here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from daypass.directory.entities.delegation_entities import Notification
from daypass.directory.entities.iam_entities import AccessKey, Entity, StoredKey
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.directory.entities.outbound_entities import TokenSigningKey
from daypass.directory.entities.saml_entities import SamlProvider, SamlRequestKey
from daypass.directory.entities.sign_in_entities import SignIn, StoredProof, TokenFamily
from daypass.directory.outbound import token_key_name
from daypass.directory.stored_sealing_keys import sealing_key_name

E = TypeVar("E", bound=Entity)

ChangeSecret = Callable[[bytes, str], bytes]
"""Returns the new sealed value of a sealed value and the name that it is bound to."""


@dataclass(frozen=True, slots=True)
class SealedMember:
    """A member with a sealed value, which is empty if there is no secret.

    `within` is the member of a list of keys that has it, or empty. `bound_to` returns the name that the value is bound
    to, from the entity and the key in the list.
    """

    name: str
    bound_to: Callable[[Any, Any], str]
    within: str = ""


SEALED: Mapping[type[Entity], tuple[SealedMember, ...]] = {
    AccessKey: (SealedMember("sealed_secret", lambda entity, _: entity.id),),
    StoredKey: (SealedMember("sealed_secret", lambda entity, _: sealing_key_name(entity.id)),),
    TokenSigningKey: (SealedMember("sealed_private", lambda entity, _: token_key_name(entity.account, entity.id)),),
    MfaDevice: (SealedMember("sealed_seed", lambda entity, _: entity.seed_name),),
    SamlProvider: (SealedMember("sealed", lambda entity, key: entity.key_name(key.id), within="keys"),),
    SamlRequestKey: (SealedMember("sealed_private", lambda entity, _: entity.key_name),),
    OidcSignInClient: (
        SealedMember("sealed_secret", lambda entity, _: entity.secret_name),
        SealedMember("sealed_private", lambda entity, key: entity.key_name(key.id), within="keys"),
    ),
    SignIn: (SealedMember("sealed_proof", lambda entity, _: entity.proof_name),),
    StoredProof: (SealedMember("sealed", lambda entity, _: entity.proof_name),),
    TokenFamily: (
        SealedMember("sealed_key", lambda entity, _: entity.key_name),
        SealedMember("sealed_answer", lambda entity, _: entity.answer_name),
    ),
    Notification: (SealedMember("sealed_body", lambda entity, _: entity.bound_to),),
}


def sealed_secrets(entity: Entity) -> list[tuple[str, bytes]]:
    """Return the sealed values of an entity.

    Each has the name that it is bound to.
    """
    found: list[tuple[str, bytes]] = []

    def note(sealed: bytes, bound_to: str) -> bytes:
        found.append((bound_to, sealed))
        return sealed

    change_secrets(entity, note)
    return found


def change_secrets(entity: E, change: ChangeSecret) -> E:
    """Return the entity with its sealed values changed."""
    for member in SEALED.get(type(entity), ()):
        if member.within:
            keys = tuple(_changed(key, entity, member, change) for key in getattr(entity, member.within))
            entity = msgspec.structs.replace(entity, **{member.within: keys})
        else:
            entity = _changed(entity, entity, member, change)
    return entity


def _changed(holder: E, entity: Entity, member: SealedMember, change: ChangeSecret) -> E:
    sealed = getattr(holder, member.name)
    if not sealed:
        return holder
    return msgspec.structs.replace(holder, **{member.name: change(sealed, member.bound_to(entity, holder))})
