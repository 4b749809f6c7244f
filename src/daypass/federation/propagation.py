"""The trusted identity propagation context of a session.

Owns the condition keys and their values. The values come from a token or an assertion whose signature was verified, as
the provider's ContextProvider says, and from no other source:

- A session carries them under the condition keys themselves, in lower case.
- A session that grows from it carries the same keys. No parameter, tag or claim can set or change one.
- A subject that is missing refuses the token or assertion. Other claims may be missing; then their key is absent.
- A value that a key cannot hold refuses the token or assertion: without the key, a Deny that tests it would not match.

Source: IAM User Guide, "TIP context keys and runtime claims for IAM federation"; STS API Reference,
TrustedIdentityPropagationContext. Decision: docs/decisions/0026-trusted-identity-propagation.md.
"""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from daypass.directory.entities.propagation_entities import ContextProvider
from daypass.policy.language.known_keys import PROPAGATED

ORIGIN, TRANSACTION = PROPAGATED
SUBJECT_KEY, ISSUER_KEY, PROVIDER_KEY = f"{ORIGIN}subject", f"{ORIGIN}issuer", f"{ORIGIN}federatedproviderarn"
LONGEST_SUBJECT = 256
LONGEST_VALUE = 128
_TYPE_KEY = f"{ORIGIN}subjecttype"
_FROM_PROVIDER = f"{TRANSACTION}identityprovider/"
# Controls, format characters (including bidirectional overrides), surrogates, private use, unassigned, line separators.
_UNSPEAKABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

SourceValues = Callable[[str], tuple[object, ...]]
"""Return the values of a claim or attribute by its name; () if it is absent."""


class MissingSubjectError(ValueError):
    """The subject is missing. The message is its source key."""


class UnusablePropagationError(ValueError):
    """A value does not fit its condition key."""


class PropagatedIdentity(msgspec.Struct, frozen=True):
    """The propagated values of one verified token or assertion.

    `transaction` has the provider's further claims, by the names of their keys.
    """

    subject: str
    subject_type: str
    issuer: str
    provider_arn: str
    transaction: Mapping[str, str]

    @property
    def condition_keys(self) -> dict[str, str]:
        """The condition keys, in lower case."""
        keys = {SUBJECT_KEY: self.subject, ISSUER_KEY: self.issuer, PROVIDER_KEY: self.provider_arn}
        if self.subject_type:
            keys[_TYPE_KEY] = self.subject_type
        return keys | {_FROM_PROVIDER + name.lower(): value for name, value in self.transaction.items()}

    @property
    def session_keys(self) -> dict[str, tuple[str, ...]]:
        """The condition keys in the form in which a session carries them."""
        return {key: (value,) for key, value in self.condition_keys.items()}

    def show(self) -> dict[str, Any]:
        """Return the TrustedIdentityPropagationContext of an answer."""
        origin = {
            "Subject": self.subject,
            "SubjectType": self.subject_type,
            "Issuer": self.issuer,
            "FederatedProviderArn": self.provider_arn,
        }
        shown: dict[str, Any] = {"OriginIdentity": {name: value for name, value in origin.items() if value}}
        if self.transaction:
            shown["TransactionContext"] = {"IdentityProvider": dict(self.transaction)}
        return shown


def propagate(provider: ContextProvider, values: SourceValues, *, issuer: str, provider_arn: str) -> PropagatedIdentity:
    """Return the propagated values.

    Raises MissingSubjectError, or UnusablePropagationError for a value that a key cannot hold.
    """
    subject = _find_value(values, provider.subject_source_key, LONGEST_SUBJECT)
    if not subject.strip():
        raise MissingSubjectError(provider.subject_source_key)
    subject_type = provider.subject_type_value or ""
    if provider.subject_type_source_key:
        subject_type = _find_value(values, provider.subject_type_source_key, LONGEST_VALUE)
    found = {
        target_name(one.source_key, one.target_key): _find_value(values, one.source_key, LONGEST_VALUE)
        for one in provider.key_definitions
    }
    transaction = {name: value for name, value in found.items() if value}
    return PropagatedIdentity(subject, subject_type, issuer, provider_arn, transaction)


def target_name(source_key: str, target_key: str) -> str:
    """Return the last part of a key of the transaction context.

    It follows aws:TransactionContext/IdentityProvider/. A target may be written with this beginning.
    """
    target = target_key or source_key
    return target[len(_FROM_PROVIDER) :] if target.lower().startswith(_FROM_PROVIDER) else target


def carried_keys(context: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the keys of a session that its later sessions carry."""
    return {key: values for key, values in context.items() if key.startswith(PROPAGATED)}


def has_unspeakable(text: str) -> bool:
    """Return whether a string has a control, format or line character."""
    return any(unicodedata.category(character) in _UNSPEAKABLE for character in text)


def _find_value(values: SourceValues, source: str, longest: int) -> str:
    """Return the one value of a claim or attribute as text, or "" if absent."""
    found = values(source)
    if not found:
        return ""
    if len(found) > 1:
        raise UnusablePropagationError(f"{source} has more than one value")
    value = found[0]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 10**longest:  # Python refuses to write out a very long number.
        value = str(value)
    if not isinstance(value, str):
        raise UnusablePropagationError(f"{source} is not a string, a whole number or a Boolean")
    if len(value) > longest:
        raise UnusablePropagationError(f"{source} has more than {longest} characters")
    if has_unspeakable(value):
        raise UnusablePropagationError(f"{source} contains a control or formatting character")
    return value
