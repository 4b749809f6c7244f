"""The condition keys that say which organization the caller and the resource belong to.

Owns which of them a question carries. Where an account stands is directory/organization.py's answer.
Rules: IAM User Guide, "AWS global condition context keys", aws:PrincipalOrgID to aws:ResourceOrgPaths.
"""

from daypass.authenticate.caller import Caller
from daypass.directory.organization import load_place
from daypass.directory.store import Views
from daypass.policy.question import PrincipalKind

Context = dict[str, str | tuple[str, ...]]

_UNSIGNED = (PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS)


def organization_keys(caller: Caller, resource_account: str, views: Views) -> Context:
    """Return the organization's keys for a caller and the account that owns the resource."""
    theirs = views.get(load_place, resource_account)
    if caller.principal.kind in _UNSIGNED:
        return dict(theirs.as_resource)  # An unsigned call comes from no account of ours.
    ours = theirs if caller.account == resource_account else views.get(load_place, caller.account)
    return {**ours.as_principal, **theirs.as_resource}
