"""Select the registered providers for which a response is verified.

The sender controls everything that this module reads, so it only decides which provider comes first. verify.py verifies
the response with that provider alone, and uses no result of this module.

* The response of an identity provider names its registered providers in the Role attribute.
* The keys of a provider are tried on SignedInfo alone. It is canonicalized once for all providers.
* An encrypted assertion hides both: the signature of the Response is tried, if any, and the provider's private keys on
  the EncryptedKey.
* Each key is tried once and counted in units of work. The work for one response has a limit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from daypass.errors import Fault
from daypass.federation.saml.attributes import ROLE, find_role_pair
from daypass.federation.saml.encryption import UnverifiedKey, find_unverified_key
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.signature import PublicKey, UnverifiedXmlSignature, find_unverified_signature
from daypass.federation.saml.verify import decode_response, trusted_keys
from daypass.federation.saml.xml_names import saml

VERIFY_RSA, VERIFY_EC, DECRYPT = 1, 10, 20
"""The approximate cost of one operation, in units of an RSA verification.

DECRYPT is for a key of 2,048 bits.
"""
BUDGET = 2_560
"""The units that the selection may cost for one response.

This equals 128 decryptions with keys of 2,048 bits.
"""
_BITS = 2_048

K = TypeVar("K")


class BudgetSpentError(Exception):
    """The response has used its limit of tried keys."""


@dataclass(slots=True)
class Candidates:
    """Selects providers for one response, and counts the cost.

    `named` are the ARNs in the Role values of the response.
    """

    named: tuple[str, ...]
    encrypted: bool
    signature: UnverifiedXmlSignature | None
    wrapped: UnverifiedKey | None
    spent: int = 0
    _tried: dict[object, bool] = field(default_factory=dict)

    def find_alike(self, trust: Trust, now: datetime) -> object | None:
        """Return an equal value for providers that verify the response alike.

        Returns None if `trust` would refuse the response. Raises BudgetSpentError if the units do not suffice.
        """
        try:
            keys = trusted_keys(trust, now)
        except Fault:
            return None
        if (trust.require_encryption and not self.encrypted) or not self._may_have_signed(keys, trust):
            return None
        openers = trust.decryption_keys if self.encrypted else ()
        if self.encrypted and not self._may_open(openers):
            return None
        return (
            frozenset(key.public_numbers() for key in keys),
            tuple(key.public_key().public_numbers() for key in openers),
            trust.require_encryption,
            trust.allow_sha1,
        )

    def _may_have_signed(self, keys: Sequence[PublicKey], trust: Trust) -> bool:
        signature = self.signature
        if signature is None:
            return True
        if signature.method.legacy and not trust.allow_sha1:
            return False
        return any(self._is_one(key.public_numbers(), _price(key), signature.is_made_by, key) for key in keys)

    def _may_open(self, keys: Sequence[rsa.RSAPrivateKey]) -> bool:
        wrapped = self.wrapped
        if wrapped is None:
            return True
        return any(
            self._is_one(("opens", key.public_key().public_numbers()), _price(key), wrapped.is_opened_by, key)
            for key in keys
            if wrapped.is_as_long_as(key)
        )

    def _is_one(self, name: object, price: int, find_out: Callable[[K], bool], key: K) -> bool:
        if name not in self._tried:
            if self.spent + price > BUDGET:
                raise BudgetSpentError
            self.spent += price
            self._tried[name] = find_out(key)
        return self._tried[name]


def read_candidates(root: etree._Element) -> Candidates:
    """Return the candidates of an unverified response."""
    assertion = root.find(saml("Assertion"))
    encrypted = None if assertion is not None else root.find(saml("EncryptedAssertion"))
    return Candidates(
        named=() if assertion is None else tuple(dict.fromkeys(_providers(assertion))),
        encrypted=encrypted is not None,
        signature=find_unverified_signature(root if assertion is None else assertion),
        wrapped=None if encrypted is None else find_unverified_key(encrypted),
    )


def find_unverified_providers(unverified_response: str) -> list[str]:
    """Return the ARNs in the Role values of a response, which may be anything.

    An encrypted assertion does not show them.
    """
    try:
        root = decode_response(unverified_response)
    except Fault:
        return []
    assertion = root.find(saml("Assertion"))
    return [] if assertion is None else list(dict.fromkeys(_providers(assertion)))


def _providers(assertion: etree._Element) -> Iterator[str]:
    for attribute in assertion.iterfind(f"{saml('AttributeStatement')}/{saml('Attribute')}"):
        if attribute.get("Name") == ROLE:
            for value in attribute.iterfind(saml("AttributeValue")):
                pair = find_role_pair(value.text)
                if pair is not None:
                    yield pair.provider


def _price(key: PublicKey | rsa.RSAPrivateKey) -> int:
    """Return the price of one operation with this key.

    For a private key, it grows with the third power of its length.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        return max(1, DECRYPT * key.key_size**3 // _BITS**3)
    return VERIFY_RSA if isinstance(key, rsa.RSAPublicKey) else VERIFY_EC
