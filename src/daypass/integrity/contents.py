"""The secrets and policies of each kind of record: two tables."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from daypass.directory.entities.bucket_entities import StoredBucket
from daypass.directory.entities.delegation_entities import Notification
from daypass.directory.entities.iam_entities import AccessKey, Entity, Group, ManagedPolicy, Role, StoredKey, User
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.directory.entities.organization_entities import ControlPolicies
from daypass.directory.entities.outbound_entities import TokenSigningKey
from daypass.directory.entities.saml_entities import SamlProvider, SamlRequestKey
from daypass.directory.entities.sign_in_entities import SignIn, StoredProof, TokenFamily
from daypass.directory.store import Reader
from daypass.directory.unresolved_principals import trust_in_force
from daypass.policy.compiled import PolicySource, PolicyType, compile_document
from daypass.policy.language.document import DocumentKind, parse_document

Sealed = tuple[str, bytes]
"""The name that a secret is bound to, and its sealed form."""


def _of_client(entity: OidcSignInClient) -> Iterator[Sealed]:
    yield entity.secret_name, entity.sealed_secret
    for key in entity.keys:
        yield entity.key_name(key.id), key.sealed_private


SECRETS: Mapping[type[Entity], Callable[[Any], Iterator[Sealed]]] = {
    AccessKey: lambda entity: iter([(entity.id, entity.sealed_secret)]),
    StoredKey: lambda entity: iter([(f"sealing-key:{entity.id}", entity.sealed_secret)]),
    TokenSigningKey: lambda entity: iter([(f"token-key:{entity.account}:{entity.id}", entity.sealed_private)]),
    MfaDevice: lambda entity: iter([(entity.seed_name, entity.sealed_seed)]),
    SamlProvider: lambda entity: ((entity.key_name(key.id), key.sealed) for key in entity.keys),
    SamlRequestKey: lambda entity: iter([(entity.key_name, entity.sealed_private)]),
    OidcSignInClient: _of_client,
    SignIn: lambda entity: iter([(entity.proof_name, entity.sealed_proof)]),
    StoredProof: lambda entity: iter([(entity.proof_name, entity.sealed)]),
    TokenFamily: lambda entity: iter(
        [(entity.key_name, entity.sealed_key), (entity.answer_name, entity.sealed_answer)]
    ),
    Notification: lambda entity: iter([(entity.bound_to, entity.sealed_body)]),
}

PolicyText = tuple[str, str, DocumentKind]
"""The name of a policy, its text and its kind."""


def _inline(entity: User | Group | Role) -> Iterator[PolicyText]:
    for name, text in entity.inline.items():
        yield f"the inline policy {name}", text, DocumentKind.IDENTITY


def _of_role(entity: Role) -> Iterator[PolicyText]:
    yield from _inline(entity)
    yield "the trust policy", entity.trust, DocumentKind.TRUST


def _of_managed(entity: ManagedPolicy) -> Iterator[PolicyText]:
    for version in entity.versions:
        yield f"the version {version.id}", version.document, DocumentKind.IDENTITY


def _of_control(entity: ControlPolicies) -> Iterator[PolicyText]:
    for name, text in entity.service.items():
        yield f"the SCP {name}", text, DocumentKind.SERVICE_CONTROL
    for name, text in entity.resource.items():
        yield f"the RCP {name}", text, DocumentKind.RESOURCE_CONTROL


def _of_bucket(entity: StoredBucket) -> Iterator[PolicyText]:
    if entity.policy:
        yield "the bucket policy", entity.policy, DocumentKind.RESOURCE


POLICIES: Mapping[type[Entity], Callable[[Any], Iterator[PolicyText]]] = {
    User: _inline,
    Group: _inline,
    Role: _of_role,
    ManagedPolicy: _of_managed,
    ControlPolicies: _of_control,
    StoredBucket: _of_bucket,
}


def compile_policy(reader: Reader, entity: Any, policy: PolicyText) -> None:
    """Compile a policy as a request does.

    Any exception means that requests that need the policy are refused.
    """
    name, text, kind = policy
    foreign = getattr(entity, "foreign", None)
    in_force = text if foreign is None or kind is DocumentKind.IDENTITY else trust_in_force(reader, text, foreign)
    compile_document(parse_document(in_force, kind), PolicySource(PolicyType.IDENTITY, name))
