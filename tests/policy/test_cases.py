"""Case files: requests, policies and the expected decision as JSON.

A file is a list of cases. A case has its rule, a caller (see CALLERS), and policies by type; omitted policies do not
exist. `expect` is "allowed", "explicitDeny" or "implicitDeny", followed by a space and the type that refused.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.policy.engine_requests import (
    ANONYMOUS,
    KINDS,
    NOTHING,
    SERVICE,
    WEB,
    A,
    B,
    federated_user,
    root,
    session,
    user,
)

from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.document import DocumentKind, parse_document

CALLERS = {
    "user": user(),
    "user of another account": user(B),
    "role session": session(),
    "role session of another account": session(B),
    "federated user": federated_user(),
    "root": root(),
    "web identity": WEB,
    "service": SERVICE,
    "anonymous": ANONYMOUS,
}
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['rule']}")
    for path in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for case in json.loads(path.read_text("utf-8"))
]


def compiled(documents: Any, of: PolicyType, *, kind: DocumentKind | None = None) -> PolicySet:
    """Compile one document, or a list of them, as one set."""
    listed = documents if isinstance(documents, list) else [documents]
    return compile_set(
        compile_document(
            parse_document(json.dumps(document), kind or KINDS[of]), PolicySource(of, f"{of.name}-{number}")
        )
        for number, document in enumerate(listed)
    )


def policies_of(case: dict[str, Any]) -> Policies:
    """Return the policies of a case."""
    trust = "trust" in case
    resource = case.get("trust", case.get("resource"))
    kind = DocumentKind.TRUST if trust else None
    return Policies(
        identity=compiled(case["identity"], PolicyType.IDENTITY) if "identity" in case else NOTHING,
        boundary=compiled(case["boundary"], PolicyType.BOUNDARY) if "boundary" in case else None,
        session=compiled(case["session"], PolicyType.SESSION) if "session" in case else None,
        service_control=tuple(compiled(level, PolicyType.SERVICE_CONTROL) for level in case.get("scp", ())),
        resource_control=tuple(compiled(level, PolicyType.RESOURCE_CONTROL) for level in case.get("rcp", ())),
        resource=None if resource is None else compiled(resource, PolicyType.RESOURCE, kind=kind),
        trust=trust,
    )


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    """Each case names its rule."""
    context = {
        key.lower(): tuple(value) if isinstance(value, list) else value
        for key, value in case.get("context", {}).items()
    }
    asked = AuthorizationRequest(case["action"], case["on"], case.get("account", A), CALLERS[case["caller"]], context)
    decision = decide(asked, policies_of(case))
    if isinstance(decision, Allowed):
        found = "allowed"
    else:
        found = f"{'explicit' if decision.explicit else 'implicit'}Deny {decision.by.name.lower()}"
    assert found == case["expect"]
