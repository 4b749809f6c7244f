"""What a simulation is given: policies as texts, context entries, and a caller that need not exist.

Owns reading them. A simulation sees no request, so it has no address, no time and no token: keys that are not given are
missing, save those that follow from the caller's name.
Source: IAM API Reference, SimulateCustomPolicy and SimulatePrincipalPolicy.
"""

from collections.abc import Iterable, Mapping

import msgspec

from daypass.arn import Arn, is_account_id
from daypass.authenticate.caller_keys import Context, principal_keys
from daypass.directory.identity import Identity
from daypass.errors import InvalidInput, MalformedPolicyDocument
from daypass.policy.compiled import Policy, PolicySet, PolicyType, Source, compile_document, compile_set
from daypass.policy.document import DocumentKind, parse_document
from daypass.policy.known_keys import find_key
from daypass.policy.question import ContextValue, Principal, PrincipalKind

# What one call may hand in, all its policies together: reading them must stay a matter of a moment.
MOST_CHARACTERS = 1_000_000


class ContextEntry(msgspec.Struct, frozen=True, rename="pascal"):
    """One condition key with its values."""

    context_key_name: str = ""
    context_key_values: tuple[str, ...] = ()
    context_key_type: str = ""


def read_policies(texts: Iterable[str], kind: DocumentKind, of_type: PolicyType, name: str) -> PolicySet:
    """Return policies that were given as texts. They are named by where they stand: PolicyInputList.1."""
    return compile_set(read_policy(text, kind, of_type, f"{name}.{place}") for place, text in enumerate(texts, start=1))


def read_policy(text: str, kind: DocumentKind, of_type: PolicyType, name: str) -> Policy:
    """Return one policy, or raise InvalidInput, which is what a simulation says of a malformed one."""
    try:
        return compile_document(parse_document(text, kind), Source(of_type, name))
    except MalformedPolicyDocument as problem:
        raise InvalidInput(f"{name}: {problem.message}", detail=problem.detail) from problem


def check_characters(texts: Iterable[str]) -> None:
    """Refuse texts that are too long together."""
    if sum(map(len, texts)) > MOST_CHARACTERS:
        raise InvalidInput(f"The policies of one simulation are limited to {MOST_CHARACTERS} characters together.")


def read_context(entries: Iterable[ContextEntry]) -> Context:
    """Return the condition keys that were given. A list type makes a multivalued key, even of one value."""
    context: Context = {}
    for entry in entries:
        key = entry.context_key_name.lower()
        if ":" not in key:
            raise InvalidInput(f"{entry.context_key_name} is not the name of a condition key.")
        if key in context:
            raise InvalidInput(f"The context key {entry.context_key_name} is given twice.")
        context[key] = _value(entry)
    # A key without a value is a key that the request does not have.
    return {key: value for key, value in context.items() if value != ""}


def _value(entry: ContextEntry) -> ContextValue:
    values, wanted = entry.context_key_values, entry.context_key_type
    if wanted:
        several = wanted.endswith("List")
    else:
        known = find_key(entry.context_key_name)
        several = known is not None and known.multivalued
    if several or len(values) > 1:
        return values
    return values[0] if values else ""


_KINDS: Mapping[str, PrincipalKind] = {"user": PrincipalKind.USER, "role": PrincipalKind.ROLE_SESSION}


def read_caller(arn: str, identity: Identity | None) -> Principal:
    """Return the user or role that an ARN names. A role is any session of it, with no name of its own.

    `identity` is who has this ARN, where somebody has. A group has policies and never calls, so it gets no name.
    """
    parts = Arn.find(arn)
    kind, _, name = ("", "", "") if parts is None else parts.resource.partition("/")
    if parts is None or parts.service != "iam" or not is_account_id(parts.account) or not name:
        raise InvalidInput(f"{arn} is not the ARN of a user, group or role.")
    if kind == "group":
        return nobody(parts.account)
    if kind not in _KINDS:
        raise InvalidInput(f"{arn} is not the ARN of a user, group or role.")
    return Principal(
        kind=_KINDS[kind],
        account=parts.account,
        arn=arn if kind == "user" else "",
        issuer_arn="" if kind == "user" else arn,
        unique_id="" if identity is None else identity.id,
    )


def nobody(account: str) -> Principal:
    """Return a caller of an account of whom nothing else is known."""
    return Principal(kind=PrincipalKind.USER, account=account, arn="")


def named_keys(principal: Principal, identity: Identity | None) -> Context:
    """Return the condition keys that follow from who calls."""
    if not (principal.arn or principal.issuer_arn):
        return {}
    keys = principal_keys(principal, identity)
    if principal.kind is PrincipalKind.USER:
        keys["aws:username"] = principal.arn.rpartition("/")[2]
        if principal.unique_id:
            keys["aws:userid"] = principal.unique_id
    return keys
