"""The caller of a verified request, with its policies.

Owns the value that a key provider returns and that decide() reads. It is complete: a decision needs no directory.
"""

import msgspec

from daypass.policy.authorization_request import ConditionKeys, Principal, PrincipalKind
from daypass.policy.compiled import compile_set
from daypass.policy.evaluate import Policies


class VerifiedCaller(msgspec.Struct, frozen=True):
    """A caller whose signature was verified, or ANONYMOUS.

    - `context` has the caller's condition keys that do not depend on the moment (aws:principalarn, tags, aws:userid …).
    - `policies` has the caller's own side: identity, boundary, session and service control policies.
    - `mfa_at` and `expires` are seconds since 1970. `mfa_at` is the time of the MFA code, for
      aws:multifactorauthage; `expires` is the exclusive end of the session, None for a long-term key.
    """

    account: str
    arn: str
    user_id: str
    access_key_id: str
    principal: Principal
    context: ConditionKeys
    policies: Policies
    mfa_at: int | None = None
    expires: int | None = None

    @property
    def anonymous(self) -> bool:
        """Return whether the request was not signed."""
        return self.principal.kind is PrincipalKind.ANONYMOUS


ANONYMOUS = VerifiedCaller(
    account="",
    arn="",
    user_id="",
    access_key_id="",
    principal=Principal(kind=PrincipalKind.ANONYMOUS, account="", arn=""),
    context={"aws:principaltype": "Anonymous"},
    policies=Policies(compile_set(())),
)
"""The caller of a request without a signature. Only a resource policy can allow it anything."""
