"""The caller of a signed request as a resource server needs it.

Owns the step from a Caller to a VerifiedCaller: a value with the policies and condition keys, which needs no directory
any more. Both the gateway beside the store and the answers to remote resource servers use it.
"""

from daypass.authenticate.caller import Caller
from daypass.authenticate.caller_keys import caller_keys
from daypass.authorize.gather import gather_of_caller
from daypass.directory.organization.organization_tree import load_place
from daypass.directory.store import Views
from daypass.verify.caller import VerifiedCaller

_AGE = "aws:multifactorauthage"


def verified_caller(caller: Caller, views: Views) -> VerifiedCaller:
    """Return the caller with its own policies and its condition keys.

    The age of its MFA code is absent: it depends on the moment of each request, which computes it from `mfa_at`.
    """
    keys = caller_keys(caller, seconds=0)
    keys.pop(_AGE, None)
    keys.update(views.get(load_place, caller.account).as_principal)
    session = caller.session
    return VerifiedCaller(
        account=caller.account,
        arn=caller.arn,
        user_id=caller.user_id,
        access_key_id=caller.access_key_id,
        principal=caller.principal,
        context=keys,
        policies=gather_of_caller(caller, views),
        mfa_at=session.mfa_time if session is not None and caller.mfa_at is None else caller.mfa_at,
        expires=None if session is None else session.expires,
    )
