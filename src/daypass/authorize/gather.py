"""Collect the policies that apply to a caller.

They are its own, its boundary, its session's and its organization's. Leaves their evaluation to policy/evaluate.py.
Rules: IAM User Guide, "Policy evaluation logic".
"""

from daypass.authenticate.caller import Caller
from daypass.directory.identity import compiled, load_scope_down_policy, load_session_policies
from daypass.directory.managed_policies.root_tasks import task_limits
from daypass.directory.organization.organization_tree import (
    AccountPosition,
    InheritedControls,
    load_inherited_controls,
    load_position,
)
from daypass.directory.store import Views
from daypass.mint.session import Session
from daypass.operations.operation import PermissionCheck
from daypass.policy.authorization_request import PrincipalKind
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_set
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind

NOTHING = compile_set(())
OF_NO_ACCOUNT = (PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS)

# A root user may do everything, without policies. Its federated users are limited from that.
_ROOT_POLICY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
_OF_ROOT = compile_set((compiled(_ROOT_POLICY, DocumentKind.IDENTITY, PolicySource(PolicyType.IDENTITY, "root")),))


def find_positions(caller: Caller, account: str, views: Views) -> tuple[AccountPosition | None, AccountPosition]:
    """Return the positions of the caller's account and of the resource's.

    An unsigned caller does not belong to an account of this server.
    """
    theirs = views.get(load_position, account)
    if caller.principal.kind in OF_NO_ACCOUNT:
        return None, theirs
    return theirs if caller.account == account else views.get(load_position, caller.account), theirs


def gather(
    check: PermissionCheck,
    caller: Caller,
    positions: tuple[AccountPosition | None, AccountPosition],
    views: Views,
) -> Policies:
    """Return every policy that applies to a permission check of `caller`.

    `positions` are those of the caller's account and of the resource's.
    """
    ours, theirs = positions
    # AWS applies resource control policies to STS but not to IAM.
    resource_control = () if check.action.startswith("iam:") else theirs.controls.resource_control
    own = None if ours is None else ours.controls
    return _policies(caller, views, own, resource_control, check.resource_policy, check.trust)


def gather_of_caller(caller: Caller, views: Views) -> Policies:
    """Return the policies of a caller, without those of any resource.

    A resource server adds the resource's own policy and the resource control policies of its owner.
    """
    return _policies(caller, views, None, (), None, False)  # noqa: FBT003 - by position, as the constructor


def _policies(
    caller: Caller,
    views: Views,
    own: InheritedControls | None,
    resource_control: tuple[PolicySet, ...],
    resource: PolicySet | None,
    trust: bool,  # noqa: FBT001 - by position, as the constructor
) -> Policies:
    """Return the caller's own policies with those of a resource.

    `own` are the control policies of the caller's account if they were loaded before.
    """
    identity = caller.identity
    service_control: tuple[PolicySet, ...] = ()
    if not _is_exempt(caller):
        if own is None:
            own = views.get(load_inherited_controls, caller.account)
        service_control = own.service_control
    session, scoped = (None, ()) if caller.session is None else _session_limits(caller, caller.session, views)
    return Policies(
        _without_identity(caller) if identity is None else identity.policies,
        None if identity is None else identity.boundary,
        session,
        scoped,
        service_control,
        resource_control,
        resource,
        trust,
    )


def _is_exempt(caller: Caller) -> bool:
    """Return whether service control policies do not apply to a caller.

    They apply neither to callers without an account nor to service-linked roles.
    """
    if caller.principal.kind in OF_NO_ACCOUNT:
        return True
    # The creator decides, not the path: every caller may choose a path.
    return caller.identity is not None and caller.identity.service_linked


def _without_identity(caller: Caller) -> PolicySet:
    return _OF_ROOT if caller.principal.kind is PrincipalKind.FEDERATED_USER else NOTHING


def _session_limits(caller: Caller, session: Session, views: Views) -> tuple[PolicySet | None, tuple[PolicySet, ...]]:
    """Return all policies of a session: its own, and its scope-down policies.

    This is the only function that reads them for a decision.
    """
    scoped = tuple(
        [
            views.get(load_scope_down_policy, text, number, session.account)
            for number, text in enumerate(session.scoped_policies, 1)
        ]
    )
    return _session_policies(caller, session, views), scoped


def _session_policies(caller: Caller, session: Session, views: Views) -> PolicySet | None:
    if session.root_task_policy:
        return task_limits(session.root_task_policy)
    if session.policy_arns or session.policy:
        return views.get(load_session_policies, session.policy_arns, session.policy, session.account)
    # Without session policies, a federated user has no permissions, and a role session has all of its role's.
    return NOTHING if caller.principal.kind is PrincipalKind.FEDERATED_USER else None
