"""Evaluate a reference situation with the engine's public interface."""

import json

from tests.policy.oracle.reference import Situation, Verdict
from tests.policy.oracle.reference_values import Document

from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.decision import Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.document import DocumentKind, parse_document

KINDS = {
    PolicyType.IDENTITY: DocumentKind.IDENTITY,
    PolicyType.BOUNDARY: DocumentKind.IDENTITY,
    PolicyType.SESSION: DocumentKind.SESSION,
    PolicyType.SERVICE_CONTROL: DocumentKind.SERVICE_CONTROL,
    PolicyType.RESOURCE_CONTROL: DocumentKind.RESOURCE_CONTROL,
    PolicyType.RESOURCE: DocumentKind.RESOURCE,
}


def engine_set(documents: tuple[Document, ...], kind: PolicyType, *, trust: bool = False) -> PolicySet:
    """Serialize the documents, parse and compile them."""
    parsed_as = DocumentKind.TRUST if trust else KINDS[kind]
    return compile_set(
        compile_document(parse_document(json.dumps(document), parsed_as), PolicySource(kind, f"{kind.name}-{number}"))
        for number, document in enumerate(documents)
    )


def engine_policies(situation: Situation) -> Policies:
    """Compile a whole situation."""

    def optional(documents: tuple[Document, ...] | None, kind: PolicyType) -> PolicySet | None:
        return None if documents is None else engine_set(documents, kind)

    return Policies(
        identity=engine_set(situation.identity, PolicyType.IDENTITY),
        boundary=optional(situation.boundary, PolicyType.BOUNDARY),
        session=optional(situation.session, PolicyType.SESSION),
        scoped=tuple(engine_set((layer,), PolicyType.SESSION) for layer in situation.scoped),
        service_control=tuple(engine_set(level, PolicyType.SERVICE_CONTROL) for level in situation.service_control),
        resource_control=tuple(engine_set(level, PolicyType.RESOURCE_CONTROL) for level in situation.resource_control),
        resource=(
            None
            if situation.resource is None
            else engine_set(situation.resource, PolicyType.RESOURCE, trust=situation.trust)
        ),
        trust=situation.trust,
    )


def engine_verdict(question: AuthorizationRequest, situation: Situation) -> Verdict:
    """Return the engine's decision."""
    decision = decide(question, engine_policies(situation))
    if isinstance(decision, Denied):
        return Verdict(allowed=False, explicit=decision.explicit)
    return Verdict(allowed=True, explicit=False)
