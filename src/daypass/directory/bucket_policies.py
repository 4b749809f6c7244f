"""Bucket policies: rules beyond the grammar, and the meaning of public.

Pure. Owns the checks of a policy that a bucket may have:

- Principals are accounts, users, roles, sessions, services, or `*`. Other types would never match a caller, and a Deny
  that never matches is dangerous. NotPrincipal needs Deny, as on AWS.
- Actions are of S3.
- Resources are the bucket itself and its objects.

Owns the test whether a policy is public. Leaves the grammar to policy/language, and the lookup of principals to
principals.py. Source: Amazon S3 User Guide, "Policies and permissions in Amazon S3" and "The meaning of public".
"""

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType

from daypass.errors import MalformedPolicyDocument
from daypass.policy.language.document import Document, DocumentKind, parse_document
from daypass.policy.language.saved_documents import is_foreign
from daypass.policy.language.statement import ConditionTest, Statement
from daypass.policy.operators.table import Family, Quantifier, find_operator
from daypass.policy.wildcard import compile_wildcard, tokens_of

MOST_BYTES = 20 * 1024
"""The limit of a bucket policy. Source: Amazon S3 User Guide, "Using bucket policies"."""

_WILD = re.compile(r"[*?]|\$\{")
_ACTION = re.compile(r"s3:[A-Za-z0-9*?]+", re.IGNORECASE)
_BUCKETS = "arn:aws:s3:::"

# The beginnings of actions on objects and of actions on buckets. Source: Service Authorization Reference, Amazon S3.
_OF_OBJECTS = ("getobject", "putobject", "deleteobject", "abortmultipart", "listmultipartuploadparts", "restoreobject")
_OF_BUCKETS = ("getbucket", "putbucket", "deletebucket", "listbucket", "createbucket")

# A statement for `*` is not public if one of these keys has fixed values.
_FIXED_KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)
_COMPARING = frozenset({Family.EQUALS, Family.EQUALS_IGNORING_CASE, Family.LIKE, Family.ARN})
_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_SHORTEST_PREFIX: Mapping[int, int] = MappingProxyType({4: 8, 6: 32})

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "This policy contains invalid Json": "Policies must be valid JSON and the first byte must be '{'",
        "Policy statement must contain actions.": "Missing required field Action",
        "Policy statement must contain resources.": "Missing required field Resource",
        "Missing required field Principal cannot be empty!": "Missing required field Principal",
    }
)
"""S3's words for refusals for which IAM has other words."""


def parse_bucket_policy(text: str, bucket: str) -> Document:
    """Return the policy of a bucket.

    Raises MalformedPolicyDocument in S3's words.
    """
    if len(text.encode()) > MOST_BYTES:
        raise MalformedPolicyDocument("Policy exceeds the maximum allowed document size.")
    try:
        document = parse_document(text, DocumentKind.RESOURCE)
    except MalformedPolicyDocument as problem:
        raise MalformedPolicyDocument(in_words_of_s3(problem.message), detail=problem.detail) from problem
    for statement in document.statements:
        _check_principals(statement)
        _check_actions(statement)
        _check_resources(statement, bucket)
        _check_levels(statement)
    return document


def in_words_of_s3(message: str) -> str:
    """Return S3's words for a refusal of a policy in IAM's words."""
    if message.startswith("Invalid principal in policy"):
        return "Invalid principal in policy"
    return _WORDS.get(message, message)


def is_public(document: Document) -> bool:
    """Return whether a policy allows access that AWS calls public.

    A statement is public if it allows every principal, and no condition limits it to fixed values.
    """
    return any(statement.allow and _is_public(statement) for statement in document.statements)


def _check_principals(statement: Statement) -> None:
    if statement.not_principal and statement.allow:
        raise MalformedPolicyDocument("Allow with NotPrincipal is not allowed.")
    for name in statement.principals or ():
        if name.type not in {"AWS", "Service"} or is_foreign(name):
            raise MalformedPolicyDocument("Invalid principal in policy", detail=f"{name.type}: {name.value}")


def _check_actions(statement: Statement) -> None:
    for action in statement.actions:
        if action != "*" and _ACTION.fullmatch(action) is None:
            raise MalformedPolicyDocument("Policy has invalid action", detail=action)


def _check_resources(statement: Statement, bucket: str) -> None:
    for resource in statement.resources or ():
        named = resource.removeprefix(_BUCKETS).partition("/")[0]
        if not resource.startswith(_BUCKETS) or "$" in named or not compile_wildcard(tokens_of(named))(bucket):
            raise MalformedPolicyDocument("Policy has invalid resource", detail=resource)


def _check_levels(statement: Statement) -> None:
    """Refuse an action that no resource of the statement has: its Deny would never match."""
    if statement.not_action or statement.not_resource:
        return
    names = [resource.removeprefix(_BUCKETS) for resource in statement.resources or ()]
    has_objects = any("/" in name or "*" in name for name in names)
    has_bucket = any("/" not in name for name in names)
    for action in statement.actions:
        name = action.lower().partition(":")[2]
        if _WILD.search(name) is None and (
            (name.startswith(_OF_OBJECTS) and not has_objects) or (name.startswith(_OF_BUCKETS) and not has_bucket)
        ):
            raise MalformedPolicyDocument("Action does not apply to any resource(s) in statement", detail=action)


def _is_public(statement: Statement) -> bool:
    everyone = statement.not_principal or any(name.value == "*" for name in statement.principals or ())
    return everyone and not any(_is_fixed(test) for test in statement.conditions)


def _is_fixed(test: ConditionTest) -> bool:
    """Return whether a condition holds only for fixed values of a key."""
    use = find_operator(test.operator)
    # With IfExists and ForAllValues, a request without the key passes.
    if use is None or use.operator.negated or use.if_exists or use.quantifier is Quantifier.ALL or not test.values:
        return False
    key = test.key.lower()
    if use.operator.family is Family.ADDRESS:
        return key == "aws:sourceip" and all(_is_narrow(value) for value in test.values)
    if use.operator.family not in _COMPARING or key not in _FIXED_KEYS:
        return False
    return all(_is_fixed_value(key, value) for value in test.values)


def _is_fixed_value(key: str, value: str) -> bool:
    if key == "s3:dataaccesspointarn":
        # The name of the access point may be a pattern if the account is fixed.
        value = value.rpartition(":")[0]
    return bool(value) and _WILD.search(value) is None


def _is_narrow(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    if isinstance(network, ipaddress.IPv4Network) and any(network.subnet_of(private) for private in _PRIVATE):
        return True
    return network.prefixlen >= _SHORTEST_PREFIX[network.version]
