"""A caller and its policies as JSON, for a resource server elsewhere.

Owns both directions. Pure.

- Policies are named by the SHA-256 of their text, and each text is sent once (`documents`).
- A name of a field, a type of policy or a kind of document that this release does not know is refused: it might be a
  restriction.
- The result of `decode_caller(encode_caller(caller))` decides every request as `caller` does.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec

from daypass.errors import Fault
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import Policy, PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.verify.caller import VerifiedCaller


class GrantFormatError(Exception):
    """An answer of the server that this release cannot read."""


class PolicyReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One policy: its document by hash, and its source."""

    hash: str
    kind: str
    type: str
    id: str
    owner: str = ""


References = tuple[PolicyReference, ...]


class PrincipalJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields of a Principal."""

    kind: str
    account: str
    arn: str
    issuer_arn: str = ""
    unique_id: str = ""
    session_id: str = ""
    federated: str = ""
    service: str = ""
    delegated: bool = False


class CallerPolicies(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A caller's own policies.

    None and () have the meaning that they have in Policies. `scoped` is sent only for a session that has scope-down
    policies: a gateway that does not know the field refuses this session, and accepts all others.
    """

    identity: References
    boundary: References | None
    session: References | None
    service_control: tuple[References, ...]
    scoped: tuple[References, ...] = ()


class CallerJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields of a VerifiedCaller."""

    account: str
    arn: str
    user_id: str
    access_key_id: str
    principal: PrincipalJson
    context: Mapping[str, str | tuple[str, ...]]
    policies: CallerPolicies
    mfa_at: int | None
    expires: int | None


Documents = dict[str, str]
"""Texts of policies by their hash, as `encode_caller` collects them."""


def document_hash(text: str) -> str:
    """Return the name of a document: the SHA-256 of its text in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def encode_set(policies: PolicySet, documents: Documents) -> References:
    """Return the references of a set, and add its texts to `documents`."""
    return tuple(_reference(policy, documents) for policy in policies.policies)


def encode_caller(caller: VerifiedCaller, documents: Documents) -> CallerJson:
    """Return the caller, and add the texts of its policies to `documents`."""
    own, principal = caller.policies, caller.principal
    return CallerJson(
        account=caller.account,
        arn=caller.arn,
        user_id=caller.user_id,
        access_key_id=caller.access_key_id,
        principal=PrincipalJson(
            kind=principal.kind.value,
            **{name: getattr(principal, name) for name in _PRINCIPAL_FIELDS},
        ),
        context=caller.context,
        policies=CallerPolicies(
            identity=encode_set(own.identity, documents),
            boundary=None if own.boundary is None else encode_set(own.boundary, documents),
            session=None if own.session is None else encode_set(own.session, documents),
            service_control=tuple(encode_set(level, documents) for level in own.service_control),
            scoped=tuple(encode_set(layer, documents) for layer in own.scoped),
        ),
        mfa_at=caller.mfa_at,
        expires=caller.expires,
    )


_PRINCIPAL_FIELDS = tuple(name for name in PrincipalJson.__struct_fields__ if name != "kind")


def decode_set(references: Iterable[PolicyReference], text_of: Callable[[str], str]) -> PolicySet:
    """Return the compiled set. Raises GrantFormatError."""
    return compile_set(_compiled(reference, text_of(reference.hash)) for reference in references)


def decode_caller(sent: CallerJson, text_of: Callable[[str], str]) -> VerifiedCaller:
    """Return the caller. `text_of` returns a document by its hash.

    Raises GrantFormatError.
    """
    own = sent.policies
    return VerifiedCaller(
        account=sent.account,
        arn=sent.arn,
        user_id=sent.user_id,
        access_key_id=sent.access_key_id,
        principal=_principal(sent.principal),
        context=sent.context,
        policies=Policies(
            decode_set(own.identity, text_of),
            None if own.boundary is None else decode_set(own.boundary, text_of),
            None if own.session is None else decode_set(own.session, text_of),
            tuple(decode_set(layer, text_of) for layer in own.scoped),
            tuple(decode_set(level, text_of) for level in own.service_control),
        ),
        mfa_at=sent.mfa_at,
        expires=sent.expires,
    )


def references_of(sent: CallerJson) -> frozenset[str]:
    """Return the hashes of all documents that a caller's policies name."""
    own = sent.policies
    sets = (own.identity, own.boundary or (), own.session or (), *own.scoped, *own.service_control)
    return frozenset(reference.hash for references in sets for reference in references)


def read_json(body: bytes, type_: Any) -> Any:
    """Return the value of a JSON body. Raises GrantFormatError."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.MsgspecError as problem:
        raise GrantFormatError(str(problem)) from problem


def _reference(policy: Policy, documents: Documents) -> PolicyReference:
    document, source = policy.document, policy.source
    name = document_hash(document.text)
    documents[name] = document.text
    return PolicyReference(name, document.kind.value, source.type.value, source.id, source.owner)


@lru_cache(maxsize=4096)
def _compiled(reference: PolicyReference, text: str) -> Policy:
    if document_hash(text) != reference.hash:
        raise GrantFormatError("a document does not have the hash that names it")
    try:
        source = PolicySource(PolicyType(reference.type), reference.id, reference.owner)
        return compile_document(parse_document(text, DocumentKind(reference.kind)), source)
    except (ValueError, Fault) as problem:
        raise GrantFormatError(f"a policy cannot be read: {problem}") from problem


def _principal(sent: PrincipalJson) -> Principal:
    try:
        kind = PrincipalKind(sent.kind)
    except ValueError as problem:
        raise GrantFormatError(str(problem)) from problem
    return Principal(kind=kind, **{name: getattr(sent, name) for name in _PRINCIPAL_FIELDS})
