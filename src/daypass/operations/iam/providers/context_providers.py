"""The trusted identity propagation of providers in requests and answers.

Owns the rules of a ContextProvider, its form in answers, the rule that a request changes one thing, and the condition
keys about it. Leaves the stored fields to directory/entities/propagation_entities.py, and the values of a session to
federation/propagation.py.

- A key has ASCII letters, digits, single spaces and _ . : / = + - @ #, and no space at either end.
- The subject type is a constant or a claim, and not both.
- Condition keys are not case-sensitive, so two targets may not differ in case alone.
- This server has no IAM Identity Center. A member that names an instance is refused.

Source: IAM API Reference, ContextProvider and UpdateOpenIDConnectProvider; IAM User Guide, "Configure TIP for an IAM
identity provider".
"""

import re
from typing import Any

from daypass.directory.entities.propagation_entities import ContextKeyDefinition, ContextProvider
from daypass.errors import InvalidInput
from daypass.federation.propagation import has_unspeakable, target_name
from daypass.operations.iam.iam_action import IamParams
from daypass.policy.authorization_request import NewConditionKeys

MOST_KEYS = 10
_KEY = re.compile(r"[A-Za-z0-9_.:/=+@#-]+(?: [A-Za-z0-9_.:/=+@#-]+)*")
_RESERVED = "aws:"
_NO_INSTANCE = "This server has no IAM Identity Center: an instance cannot be associated with a provider."


class ContextKeyDefinitionParams(IamParams, frozen=True):
    """A source and its target, as a request has them."""

    source_key: str
    target_key: str | None = None


class ContextProviderParams(IamParams, frozen=True):
    """A ContextProvider, as a request has it."""

    subject_source_key: str
    subject_type_value: str | None = None
    subject_type_source_key: str | None = None
    key_definition_list: tuple[ContextKeyDefinitionParams, ...] = ()


class NewPropagationParams(IamParams, frozen=True, kw_only=True):
    """The members of a new provider."""

    context_provider: ContextProviderParams | None = None
    identity_center_instance_arn: str | None = None


class PropagationParams(NewPropagationParams, frozen=True, kw_only=True):
    """The members of a changed provider."""

    remove_context_provider: bool | None = None
    remove_identity_center_instance: bool | None = None


def read_context_provider(params: ContextProviderParams) -> ContextProvider:
    """Return the context provider.

    Raises InvalidInput if a value is not valid.
    """
    if params.subject_type_value is not None and params.subject_type_source_key is not None:
        raise InvalidInput("Specify either SubjectTypeValue or SubjectTypeSourceKey, but not both.")
    if has_unspeakable(params.subject_type_value or ""):
        raise InvalidInput("SubjectTypeValue contains a control or formatting character.")
    _check_key("SubjectSourceKey", params.subject_source_key)
    if params.subject_type_source_key is not None:
        _check_key("SubjectTypeSourceKey", params.subject_type_source_key)
    definitions = tuple(map(_read_definition, params.key_definition_list))
    if len(definitions) > MOST_KEYS:
        raise InvalidInput(f"KeyDefinitionList must have at most {MOST_KEYS} mappings.")
    _check_targets(definitions)
    return ContextProvider(
        subject_source_key=params.subject_source_key,
        subject_type_value=params.subject_type_value,
        subject_type_source_key=params.subject_type_source_key or "",
        key_definitions=definitions,
    )


def read_new_provider(params: NewPropagationParams) -> ContextProvider | None:
    """Return the context provider of a new provider, or None.

    Raises InvalidInput if it is not valid, or if an IAM Identity Center instance is named.
    """
    if params.identity_center_instance_arn is not None:
        raise InvalidInput(_NO_INSTANCE)
    return None if params.context_provider is None else read_context_provider(params.context_provider)


def changes_context(params: PropagationParams) -> bool:
    """Return whether a request changes the context provider.

    Raises InvalidInput for members that exclude each other, and for those about IAM Identity Center.
    """
    if params.context_provider is not None and params.remove_context_provider is not None:
        raise InvalidInput("Specify either ContextProvider or RemoveContextProvider, but not both.")
    if params.identity_center_instance_arn is not None and params.remove_identity_center_instance is not None:
        raise InvalidInput("Specify either IdentityCenterInstanceArn or RemoveIdentityCenterInstance, but not both.")
    changes = params.context_provider is not None or bool(params.remove_context_provider)
    if params.identity_center_instance_arn is not None or params.remove_identity_center_instance:
        if changes:
            raise InvalidInput(
                "A request can change either the context provider or the IAM Identity Center association, but not both."
            )
        raise InvalidInput(_NO_INSTANCE)
    return changes


def changed_provider(params: PropagationParams) -> ContextProvider | None:
    """Return the context provider after a request that changes it."""
    return None if params.context_provider is None else read_context_provider(params.context_provider)


def show_context_provider(provider: ContextProvider | None) -> dict[str, Any]:
    """Return the member ContextProvider of an answer, if there is one."""
    if provider is None:
        return {}
    shown: dict[str, Any] = {
        "SubjectSourceKey": provider.subject_source_key,
        "KeyDefinitionList": [
            {"SourceKey": one.source_key, **({"TargetKey": one.target_key} if one.target_key else {})}
            for one in provider.key_definitions
        ],
    }
    if provider.subject_type_value is not None:
        shown["SubjectTypeValue"] = provider.subject_type_value
    if provider.subject_type_source_key:
        shown["SubjectTypeSourceKey"] = provider.subject_type_source_key
    return {"ContextProvider": shown}


def propagation_keys(
    params: NewPropagationParams, *, requested_issuer: str = "", stored_issuer: str = ""
) -> NewConditionKeys:
    """Return the condition keys of a request about a provider.

    The issuers are the one in the request and the one of the stored provider, or empty.
    """
    keys: NewConditionKeys = {
        "iam:enableidentitypropagation": _boolean(params.context_provider is not None),
        "iam:enableidentitycenterassociation": _boolean(params.identity_center_instance_arn is not None),
    }
    if params.identity_center_instance_arn is not None:
        keys["iam:requestidentitycenterinstancearn"] = params.identity_center_instance_arn
    if requested_issuer:
        keys["iam:requestidentityproviderissuers"] = (requested_issuer,)
    return keys | stored_issuer_keys(stored_issuer)


def stored_issuer_keys(issuer: str) -> NewConditionKeys:
    """Return the condition key of a stored provider's issuer, if there is one."""
    return {"iam:resourceidentityproviderissuers": (issuer,)} if issuer else {}


def _read_definition(params: ContextKeyDefinitionParams) -> ContextKeyDefinition:
    _check_key("SourceKey", params.source_key)
    if params.target_key is None:
        return ContextKeyDefinition(source_key=params.source_key)
    _check_key("TargetKey", params.target_key)
    return ContextKeyDefinition(source_key=params.source_key, target_key=params.target_key)


def _check_key(member: str, key: str) -> None:
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            f"{member} must contain only letters, digits, single spaces and _ . : / = + - @ #, and must not begin or "
            "end with a space."
        )


def _check_targets(definitions: tuple[ContextKeyDefinition, ...]) -> None:
    names = [target_name(one.source_key, one.target_key) for one in definitions]
    for name in names:
        # Another beginning would look like one of AWS's own keys, and would never have the value of one.
        if not name or name.lower().startswith(_RESERVED):
            raise InvalidInput("A TargetKey must not be a key of AWS outside aws:TransactionContext/IdentityProvider/.")
    if len({name.lower() for name in names}) != len(names):
        raise InvalidInput("KeyDefinitionList maps two sources to the same key. Keys are not case sensitive.")


def _boolean(value: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return "true" if value else "false"
