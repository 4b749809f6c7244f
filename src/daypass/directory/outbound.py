"""The issuers of web identity tokens in the store.

Owns the creation of an issuer, the records of its keys, encrypted at rest, and the documents that relying parties read.
Leaves key rotation to mint/web_identity.py. Source: OpenID Connect Discovery 1.0, section 3; RFC 7517, section 5.
"""

from collections.abc import Mapping

import msgspec

from daypass.directory import records
from daypass.directory.entities.outbound_entities import Issuer, TokenSigningKey
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Writer
from daypass.mint.key_ring import KeyRing, RingKey
from daypass.mint.web_identity import (
    Algorithm,
    IssuerRing,
    IssuerRings,
    SigningMaterial,
    TokenKey,
    first_token_key,
    maintain_issuer_ring,
    needs_maintenance,
    rotate_issuer_ring,
)
from daypass.ports import Entropy

NAMESPACE = "https://sts.amazonaws.com/"
SUBJECT_MODE_CLAIM = "subject_mode"
"""It is in a token whose subject another identity provider chose."""
NOTIFICATIONS = "notifications"
"""The id of the server's own issuer and the owner of its keys.

An account cannot have this id.
"""
SIGN_IN = "sign-in"
"""The id of the issuer of the ID tokens of `aws login`, and the owner of its keys."""

DISCOVERY = "openid-configuration"
KEYS = "jwks.json"

_MOST = 1000
_ID_BYTES = 16


def issuer_url(public_url: str, issuer: str) -> str:
    """Return the `iss` of an issuer's tokens."""
    return f"{public_url}/issuer/{issuer}"


def new_issuer_id(entropy: Entropy) -> str:
    """Return a new opaque id: a letter and the digits of a UUID, as on AWS."""
    digits = entropy(_ID_BYTES).hex()
    return f"a{digits[1:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def create_issuer(writer: Writer, account: str, *, now: int, entropy: Entropy, vault: SecretBox) -> str:
    """Create an account's issuer with its first keys, and return its id."""
    issuer = Issuer(id=new_issuer_id(entropy), account=account)
    records.insert(writer, issuer)
    _insert_first_keys(writer, account, now=now, vault=vault)
    return issuer.id


def ensure_server_issuer(writer: Writer, issuer: str, *, now: int, vault: SecretBox) -> None:
    """Create an issuer of the server itself, unless it exists.

    It is NOTIFICATIONS, which signs notifications of delegation requests, or SIGN_IN.
    """
    if has_issuer(writer, issuer):
        return
    records.insert(writer, Issuer(id=issuer, account=issuer))
    _insert_first_keys(writer, issuer, now=now, vault=vault)


def has_issuer(reader: Reader, issuer: str) -> bool:
    """Return whether an issuer exists."""
    return records.find(reader, Issuer, "", issuer) is not None


def load_issuer_rings(reader: Reader, account: str, vault: SecretBox) -> IssuerRings:
    """Return an account's signing keys."""
    stored = _stored_keys(reader, account)
    return IssuerRings({algorithm: _ring(stored, algorithm, vault) for algorithm in Algorithm})


def load_documents(reader: Reader, public_url: str, issuer: str) -> Mapping[str, bytes] | None:
    """Return the published documents of an issuer by file name, or None."""
    found = records.find(reader, Issuer, "", issuer)
    if found is None:
        return None
    url = issuer_url(public_url, issuer)
    discovery = {
        "issuer": url,
        "jwks_uri": f"{url}/.well-known/{KEYS}",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm.value for algorithm in Algorithm],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "jti", NAMESPACE],
    }
    # All keys: pending ones for relying parties to know in time, retired ones for valid tokens.
    keys = [{**stored.public, "kid": stored.id} for stored in _stored_keys(reader, found.account)]
    return {DISCOVERY: msgspec.json.encode(discovery), KEYS: msgspec.json.encode({"keys": keys})}


def maintain_issuer_keys(writer: Writer, account: str, *, now: int, rotate_after: int, vault: SecretBox) -> None:
    """Delete unneeded keys of an account and publish successors of old ones."""
    for algorithm, issuer_ring in load_issuer_rings(writer, account, vault).rings.items():
        tended = maintain_issuer_ring(issuer_ring, algorithm, now=now, rotate_after=rotate_after)
        if tended is not issuer_ring:
            _save(writer, account, issuer_ring, tended, vault)


def rotate_token_keys(writer: Writer, account: str, *, now: int, vault: SecretBox) -> None:
    """Publish a successor of each active key of an account.

    A key with a pending successor does not get another one.
    """
    for algorithm, issuer_ring in load_issuer_rings(writer, account, vault).rings.items():
        rotated = rotate_issuer_ring(issuer_ring, algorithm, now=now)
        if rotated is not issuer_ring:
            _save(writer, account, issuer_ring, rotated, vault)


def issuer_accounts(reader: Reader) -> list[str]:
    """Return the owners of issuers' keys: accounts, NOTIFICATIONS and SIGN_IN."""
    return [issuer.account for issuer in records.each(reader, Issuer, "")]


def accounts_to_maintain(reader: Reader, *, now: int, rotate_after: int) -> list[str]:
    """Return the accounts whose keys need maintenance.

    It does not decrypt any key.
    """
    issuer_rings: dict[tuple[str, str], list[RingKey[None]]] = {}
    for key in records.each(reader, TokenSigningKey, None):
        issuer_ring = issuer_rings.setdefault((key.account, key.algorithm), [])
        issuer_ring.append(RingKey(key.id, None, key.created, key.activates))
    due = {
        account
        for (account, _), keys in issuer_rings.items()
        if needs_maintenance(KeyRing(tuple(keys)), now=now, rotate_after=rotate_after)
    }
    return sorted(due)


def _insert_first_keys(writer: Writer, account: str, *, now: int, vault: SecretBox) -> None:
    for algorithm in Algorithm:
        records.insert(writer, _seal(account, first_token_key(algorithm, now=now), vault))


def _save(writer: Writer, account: str, before: IssuerRing, after: IssuerRing, vault: SecretBox) -> None:
    wanted = {key.id: key for key in after.keys}
    for key in before.keys:
        if wanted.pop(key.id, None) is None:
            writer.delete(records.kind_name(TokenSigningKey), account, key.id)
    for key in wanted.values():
        records.insert(writer, _seal(account, key, vault))


def _stored_keys(reader: Reader, account: str) -> list[TokenSigningKey]:
    return records.page(reader, TokenSigningKey, account, limit=_MOST)


def _ring(stored: list[TokenSigningKey], algorithm: Algorithm, vault: SecretBox) -> IssuerRing:
    return KeyRing(tuple(_open(key, algorithm, vault) for key in stored if key.algorithm == algorithm.value))


def _open(stored: TokenSigningKey, algorithm: Algorithm, vault: SecretBox) -> TokenKey:
    private = vault.decrypt(stored.sealed_private, bound_to=token_key_name(stored.account, stored.id))
    return TokenKey(stored.id, SigningMaterial(algorithm, private), stored.created, stored.activates)


def _seal(account: str, key: TokenKey, vault: SecretBox) -> TokenSigningKey:
    return TokenSigningKey(
        account=account,
        id=key.id,
        algorithm=key.material.algorithm.value,
        sealed_private=vault.encrypt(key.material.private, bound_to=token_key_name(account, key.id)),
        public=key.material.public,
        created=key.created,
        activates=key.activates,
    )


def token_key_name(account: str, key_id: str) -> str:
    """Return the name that the sealed private key is bound to."""
    return f"token-key:{account}:{key_id}"
