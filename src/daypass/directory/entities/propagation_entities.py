"""The trusted identity propagation of a SAML or OpenID Connect provider.

Owns the stored fields. Leaves the rules of their values to operations/iam/providers/context_providers.py, and the
values of a session to federation/propagation.py. A record without a context provider is one of a provider that
propagates nothing; a server before 0.3 that changes a provider drops its context provider.
Source: IAM API Reference, ContextProvider.
"""

from daypass.directory.entities.iam_entities import Entity


class ContextKeyDefinition(Entity, frozen=True, kw_only=True):
    """One claim or attribute that becomes a key of the transaction context.

    An empty `target_key` means the name of the source.
    """

    source_key: str
    target_key: str = ""


class ContextProvider(Entity, frozen=True, kw_only=True):
    """The claims or attributes of a provider that its sessions carry.

    `subject_type_value` is a constant, and `subject_type_source_key` names a claim; at most one of them is set.
    """

    subject_source_key: str
    subject_type_value: str | None = None
    subject_type_source_key: str = ""
    key_definitions: tuple[ContextKeyDefinition, ...] = ()
