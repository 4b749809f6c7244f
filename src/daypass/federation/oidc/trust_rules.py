"""Refuse a trust policy that trusts every customer of a shared issuer.

Owns the list of issuers that many organisations share, the condition that distinguishes them, and the check that a
statement really tests it. Pure.
Source: IAM User Guide, "Identity-provider controls for shared OIDC providers". AWS refuses a policy without the
condition; the refusal of a wildcard that spans organisations is our own rule.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from daypass.errors import MalformedPolicyDocument
from daypass.policy.wildcard import compile_wildcard, tokens_of

ACTION = "sts:assumerolewithwebidentity"
ROLE_SESSION_NAME = "sts:rolesessionname"
_PROVIDER = re.compile(r"arn:[a-z-]+:iam::\d{12}:oidc-provider/(.+)")
_POSITIVE = frozenset({"stringequals", "stringequalsignorecase", "stringlike"})
_WILDCARDS = frozenset("*?")


@dataclass(frozen=True, slots=True)
class Control:
    """The claims that distinguish the organisations of one issuer.

    One must be tested. `bound` says how the value of a claim begins that names one whole organisation. Only after that
    may the value contain wildcards. A claim that is not in `bound` must be compared without wildcards.
    """

    issuer: re.Pattern[str]
    claims: tuple[str, ...]
    bound: Mapping[str, re.Pattern[str]] = field(default_factory=dict)


def _control(issuer: str, *claims: str, **bound: str) -> Control:
    return Control(re.compile(issuer), claims, {claim: re.compile(beginning) for claim, beginning in bound.items()})


# A whole organisation ends with a character that its provider does not allow in names. For GitHub this is also the @
# of immutable subjects: acme/site before July 2026, acme@1/site@2 since then. The id after it must be whole or open:
# acme@1/* and acme@*/* name one organisation, but acme@1* may also name a later owner of the same name.
_NAME = r"[^:/*?]+[:/]"
_GITHUB_NAME = r"[^:/@*?]+(?:@(?=[*?])|(?:@[^:/@*?]+)?[:/])"
_GITHUB_SUBJECT = (
    rf"(?:repo|repository|repository_owner|job_workflow_ref|workflow_ref):{_GITHUB_NAME}"
    r"|(?:repository_owner_id|repository_id|enterprise|enterprise_id):[^:/@*?]+:"
)

SHARED: tuple[Control, ...] = (
    _control(
        r"token\.actions\.githubusercontent\.com",
        "sub",
        "job_workflow_ref",
        sub=_GITHUB_SUBJECT,
        job_workflow_ref=_GITHUB_NAME,
    ),
    _control(r"vstoken\.actions\.githubusercontent\.com", "sub", sub=_GITHUB_SUBJECT),
    _control(r"oidc-configuration\.audit-log\.githubusercontent\.com", "sub", sub=rf"https://github\.com/{_NAME}"),
    _control(r"gitlab\.com", "sub", sub=rf"(?:project_path|namespace_path):{_NAME}|(?:project|namespace)_id:[0-9]+:"),
    _control(r"agent\.buildkite\.com", "sub", sub=rf"organization:{_NAME}"),
    _control(r"app\.terraform\.io", "sub", sub=rf"organization:{_NAME}"),
    _control(r"scalr\.io", "sub", sub=rf"account:{_NAME}"),
    _control(r"oidc\.codefresh\.io", "sub", sub=rf"account:{_NAME}"),
    _control(r"studio\.datachain\.ai/api", "sub", sub=rf"credentials:{_NAME}"),
    _control(r"tokens\.cloud\.shisho\.dev", "sub", sub=rf"job:{_NAME}"),
    _control(r"proidc\.upbound\.io", "sub", sub=rf"mcp:{_NAME}"),
    # The issuer itself contains the id of one cluster, whose service accounts belong to one organisation.
    _control(r"rh-oidc\.s3\.us-east-1\.amazonaws\.com/[0-9a-z]{32}", "sub", sub=r"system:serviceaccount:"),
    _control(r"oidc\.op1\.openshiftapps\.com/[0-9a-z]{32}", "sub", sub=r"system:serviceaccount:"),
    _control(r"api\.pulumi\.com/oidc", "aud"),
    _control(r"sandboxes\.cloud", "aud"),
    _control(r"oidc\.vercel\.com", "aud"),
    _control(r"cognito-identity\.amazonaws\.com", "aud"),
    # Not in AWS's list, but every user there gets tokens of this issuer.
    _control(r"accounts\.google\.com", "aud", "oaud", "sub"),
    _control(r"sts\.windows\.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d", ROLE_SESSION_NAME),
)


def check_shared_issuers(document: Mapping[str, Any]) -> None:
    """Refuse a trust policy that trusts all customers of a shared issuer.

    Raises MalformedPolicyDocument.
    """
    for statement in _listed(document.get("Statement")):
        if isinstance(statement, Mapping) and _grants_web_identity(statement):
            for issuer in _issuers(statement.get("Principal")):
                _check(statement, issuer)


def _check(statement: Mapping[str, Any], issuer: str) -> None:
    # Issuers are case-sensitive, but hosts are not: capital letters must not bypass the rule.
    control = next((control for control in SHARED if control.issuer.fullmatch(issuer.rstrip("/").lower())), None)
    if control is None or any(
        _is_tested(statement, _key(issuer, claim), control.bound.get(claim)) for claim in control.claims
    ):
        return
    wanted = " or ".join(_key(issuer, claim) for claim in control.claims)
    raise MalformedPolicyDocument(
        f"The identity provider {issuer} is shared by many organizations. The trust policy must test {wanted} "
        "with StringEquals, or with StringLike and a value that names one organization before its first wildcard."
    )


def _key(issuer: str, claim: str) -> str:
    return claim if claim == ROLE_SESSION_NAME else f"{issuer}:{claim}"


def _grants_web_identity(statement: Mapping[str, Any]) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    if "NotAction" in statement:
        return True
    return any(_covers(action) for action in _listed(statement.get("Action")))


def _covers(action: object) -> bool:
    return isinstance(action, str) and compile_wildcard(tokens_of(action.lower()))(ACTION)


def _issuers(principal: object) -> Iterator[str]:
    if not isinstance(principal, Mapping):
        return
    for name in _listed(principal.get("Federated")):
        if isinstance(name, str):
            found = _PROVIDER.fullmatch(name)
            yield found[1] if found else name


def _is_tested(statement: Mapping[str, Any], key: str, bound: re.Pattern[str] | None) -> bool:
    condition = statement.get("Condition")
    if not isinstance(condition, Mapping):
        return False
    return any(
        name.lower() == key.lower() and _binds(operator, values, bound)
        for operator, block in condition.items()
        if isinstance(block, Mapping)
        for name, values in block.items()
    )


def _binds(operator: str, values: object, bound: re.Pattern[str] | None) -> bool:
    # ForAllValues and IfExists match if the claim is absent, negated operators nearly always: neither restricts.
    name = operator.lower().removeprefix("foranyvalue:")
    if name not in _POSITIVE:
        return False
    texts = _listed(values)
    return bool(texts) and all(_is_bound(name, text, bound) for text in texts)


def _is_bound(operator: str, text: object, bound: re.Pattern[str] | None) -> bool:
    # A policy variable may contain the compared claim itself.
    if not isinstance(text, str) or not text or "${" in text:
        return False
    if operator != "stringlike" or _WILDCARDS.isdisjoint(text):
        return True
    return bound is not None and bound.match(text) is not None


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
