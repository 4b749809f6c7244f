"""Gather the policies that apply to a caller: its own, its boundary, its session's and its organization's.

Owns which policies speak, not what they say: that is policy/evaluate.py's work.
Rules: IAM User Guide, "Policy evaluation logic".
"""

from daypass.authenticate.caller import Caller
from daypass.directory.identity import compiled, load_session_policies
from daypass.directory.organization import load_guard_rails
from daypass.directory.store import Views
from daypass.operations.operation import Asking
from daypass.policy.compiled import PolicySet, PolicyType, Source, compile_set
from daypass.policy.document import DocumentKind
from daypass.policy.evaluate import Policies
from daypass.policy.question import PrincipalKind

NOTHING = compile_set(())

# A root user has no policies and may do everything; a federated user that one made is cut from that.
_ROOT_POLICY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
_OF_ROOT = compile_set((compiled(_ROOT_POLICY, DocumentKind.IDENTITY, Source(PolicyType.IDENTITY, "root")),))


def gather(asking: Asking, caller: Caller, views: Views) -> Policies:
    """Return every policy that has a say in whether `caller` may do what is asked."""
    identity = caller.identity
    rails = views.get(load_guard_rails, caller.account)
    return Policies(
        identity=_without_identity(caller) if identity is None else identity.policies,
        boundary=None if identity is None else identity.boundary,
        session=_session_policies(caller, views),
        service_control=rails.service_control,
        resource_control=views.get(load_guard_rails, asking.account).resource_control,
        resource=asking.resource_policy,
        trust=asking.trust,
    )


def _without_identity(caller: Caller) -> PolicySet:
    return _OF_ROOT if caller.principal.kind is PrincipalKind.FEDERATED_USER else NOTHING


def _session_policies(caller: Caller, views: Views) -> PolicySet | None:
    session = caller.session
    if session is None:
        return None
    if session.policy_arns or session.policy:
        return views.get(load_session_policies, session.policy_arns, session.policy)
    # A federated user without session policies may do nothing of its own; a role session all that its role may.
    return NOTHING if caller.principal.kind is PrincipalKind.FEDERATED_USER else None
