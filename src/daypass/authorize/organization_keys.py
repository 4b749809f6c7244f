"""The condition keys of the caller's and the resource's organization.

Owns the choice of these keys for a permission check. Leaves the account's place to directory/organization.py. Rules:
IAM User Guide, "AWS global condition context keys", aws:PrincipalOrgID to aws:ResourceOrgPaths.
"""

from daypass.authenticate.caller import Caller
from daypass.directory.organization import load_place
from daypass.directory.store import Views
from daypass.policy.authorization_request import NewConditionKeys, PrincipalKind

_UNSIGNED = (PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS)


def organization_keys(caller: Caller, resource_account: str, views: Views) -> NewConditionKeys:
    """Return the organization's keys of a caller and of the resource's owner."""
    theirs = views.get(load_place, resource_account)
    if caller.principal.kind in _UNSIGNED:
        return dict(theirs.as_resource)  # An unsigned call does not belong to an account of this server.
    ours = theirs if caller.account == resource_account else views.get(load_place, caller.account)
    return {**ours.as_principal, **theirs.as_resource}
