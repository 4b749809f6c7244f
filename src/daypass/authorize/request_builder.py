"""Build the engine's input for a permission check.

Owns the precedence if two sources have the same key: the operation's keys, then the resource's, then the request's.
`daypass explain` uses this function too, so that its explanation cannot differ from the server's decision.
"""

from daypass.authenticate.caller import Caller
from daypass.authorize.gather import gather
from daypass.authorize.organization_keys import organization_keys
from daypass.directory.store import Views
from daypass.operations.operation import PermissionCheck
from daypass.policy.authorization_request import AuthorizationRequest, NewConditionKeys
from daypass.policy.evaluate import Policies


def build_request(
    check: PermissionCheck, caller: Caller, common: NewConditionKeys, views: Views
) -> tuple[AuthorizationRequest, Policies]:
    """Return the request and its policies. `common` has the request's keys."""
    request = AuthorizationRequest(
        action=check.action,
        resource=check.resource,
        resource_account=check.account,
        principal=caller.principal,
        context={
            **common,
            **organization_keys(caller, check.account, views),
            **check.context,
        },
    )
    return request, gather(check, caller, views)
