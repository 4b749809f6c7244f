"""Turn what an operation asks into the engine's question, and gather the policies that have a say in it.

Owns which keys win where two places give one: the operation's own, then the resource's, then the request's.
`daypass explain` poses its questions here too, so that it cannot tell another story than the server.
"""

from daypass.authenticate.caller import Caller
from daypass.authorize.context import Context
from daypass.authorize.gather import gather
from daypass.authorize.organization_keys import organization_keys
from daypass.directory.store import Views
from daypass.operations.operation import Asking
from daypass.policy.evaluate import Policies
from daypass.policy.question import Question


def pose(asking: Asking, caller: Caller, common: Context, views: Views) -> tuple[Question, Policies]:
    """Return the question and its policies. `common` are the keys of the request."""
    question = Question(
        action=asking.action,
        resource=asking.resource,
        resource_account=asking.account,
        principal=caller.principal,
        context={
            **common,
            **organization_keys(caller, asking.account, views),
            **asking.context,
        },
    )
    return question, gather(asking, caller, views)
