"""The inputs of a simulation: policies, context entries and a caller.

A simulation has no address, time or token: condition keys that are not given are missing, except those that follow from
the caller's name. The caller need not exist.
Source: IAM API Reference, SimulateCustomPolicy and SimulatePrincipalPolicy.
"""

from collections.abc import Iterable, Mapping

import msgspec

from daypass.arn import Arn, is_account_id
from daypass.authenticate.caller_keys import principal_keys
from daypass.directory.identity import Identity
from daypass.errors import InvalidInput, MalformedPolicyDocument
from daypass.policy.authorization_request import ContextValue, NewConditionKeys, Principal, PrincipalKind
from daypass.policy.compiled import Policy, PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.language.document import DocumentKind
from daypass.policy.language.known_keys import find_key
from daypass.policy.language.saved_documents import check_beginning, parse_new_document

# The maximum for all policies of one call together: the server must be able to read them quickly.
MOST_CHARACTERS = 1_000_000


class ContextEntry(msgspec.Struct, frozen=True, rename="pascal"):
    """One condition key with its values."""

    context_key_name: str = ""
    context_key_values: tuple[str, ...] = ()
    context_key_type: str = ""


def read_policies(texts: Iterable[str], kind: DocumentKind, of_type: PolicyType, name: str) -> PolicySet:
    """Return the policies of a list in the request.

    A policy is named by its position, such as PolicyInputList.1.
    """
    return compile_set(read_policy(text, kind, of_type, f"{name}.{place}") for place, text in enumerate(texts, start=1))


def read_policy(text: str, kind: DocumentKind, of_type: PolicyType, name: str) -> Policy:
    """Return one policy, or raise InvalidInput if it is malformed.

    AWS's simulator uses this error code for malformed policies.
    """
    try:
        check_beginning(text, kind)
        return compile_document(parse_new_document(text, kind), PolicySource(of_type, name))
    except MalformedPolicyDocument as problem:
        raise InvalidInput(f"{name}: {problem.message}", detail=problem.detail) from problem


def check_characters(texts: Iterable[str]) -> None:
    """Refuse policies that are too long together."""
    if sum(map(len, texts)) > MOST_CHARACTERS:
        raise InvalidInput(f"The policies of one simulation are limited to {MOST_CHARACTERS} characters together.")


def read_context(entries: Iterable[ContextEntry]) -> NewConditionKeys:
    """Return the condition keys of the request.

    A list type makes a key multivalued, even with one value.
    """
    context: NewConditionKeys = {}
    for entry in entries:
        key = entry.context_key_name.lower()
        if ":" not in key:
            raise InvalidInput(f"{entry.context_key_name} is not the name of a condition key.")
        if key in context:
            raise InvalidInput(f"The context key {entry.context_key_name} is given twice.")
        context[key] = _value(entry)
    # A condition key without a value is not in the simulated request.
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
    """Return the user or role with this ARN as the simulated caller.

    A role means any of its sessions, without a session name. `identity` is the existing user or role, or None. A group
    never calls, so its principal does not get a name.
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
    """Return a principal of which only the account is known."""
    return Principal(kind=PrincipalKind.USER, account=account, arn="")


def named_keys(principal: Principal, identity: Identity | None) -> NewConditionKeys:
    """Return the condition keys that follow from the caller."""
    if not (principal.arn or principal.issuer_arn):
        return {}
    keys = principal_keys(principal, identity)
    if principal.kind is PrincipalKind.USER:
        keys["aws:username"] = principal.arn.rpartition("/")[2]
        if principal.unique_id:
            keys["aws:userid"] = principal.unique_id
    return keys
