"""The caller of a verified request, with its policies.

Owns the value that a key provider returns and that decide() reads. It is complete: a decision needs no directory.
"""

import msgspec

from daypass.arn import iam_arn, is_account_id
from daypass.policy.authorization_request import ConditionKeys, Principal, PrincipalKind
from daypass.policy.compiled import PolicySet, compile_document, compile_set
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.source import PolicySource, PolicyType


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


def static_caller(
    account: str, name: str, *policies: str, access_key_id: str = "", expires: int | None = None
) -> VerifiedCaller:
    """Return an IAM user of `account` with identity policies, as JSON.

    For StaticKeys. Raises MalformedPolicyDocument if a policy is not valid.

    >>> from daypass.verify import static_caller
    >>> static_caller("111122223333", "alice").arn
    'arn:aws:iam::111122223333:user/alice'
    """
    if not is_account_id(account):
        raise ValueError("an account id has twelve digits")
    arn = iam_arn(account, "user", "/", name)
    user_id = f"AIDA-{name}"
    return VerifiedCaller(
        account=account,
        arn=arn,
        user_id=user_id,
        access_key_id=access_key_id,
        principal=Principal(kind=PrincipalKind.USER, account=account, arn=arn, unique_id=user_id),
        context={
            "aws:principalaccount": account,
            "aws:principalarn": arn,
            "aws:principalisawsservice": "false",
            "aws:principaltype": "User",
            "aws:userid": user_id,
            "aws:username": name,
        },
        policies=Policies(_compile(DocumentKind.IDENTITY, PolicyType.IDENTITY, policies)),
        expires=expires,
    )


def compile_resource_policy(policy: str) -> PolicySet:
    """Return the policy of a resource, from JSON, for decide().

    Raises MalformedPolicyDocument.
    """
    return _compile(DocumentKind.RESOURCE, PolicyType.RESOURCE, (policy,))


def _compile(kind: DocumentKind, policy_type: PolicyType, texts: tuple[str, ...]) -> PolicySet:
    return compile_set(
        [
            compile_document(parse_document(text, kind), PolicySource(policy_type, f"policy-{at}"))
            for at, text in enumerate(texts, 1)
        ]
    )
