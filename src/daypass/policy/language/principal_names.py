"""Parse the Principal element, and refuse invalid names.

Owns the names that a Principal may contain. Leaves matching to principal.py. Source: IAM User Guide, "IAM JSON policy
elements: Principal". A wildcard inside a name would never match, so it is refused.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from daypass.errors import MalformedPolicyDocument
from daypass.policy.language.statement import PrincipalName
from daypass.strict_json import NumberText

_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_UNIQUE_ID = re.compile(r"A(?:IDA|ROA)[A-Z0-9]{1,124}(?::[A-Za-z0-9_+=,.@-]{1,64})?")
_ARN = re.compile(
    r"arn:aws[a-z-]{0,20}:(?:"
    r"iam::[0-9]{12}:(?:root|(?:user|role)/[!-)+->@-~]{1,600})"
    r"|sts::[0-9]{12}:(?:assumed-role/[A-Za-z0-9_+=,.@-]{1,64}/[A-Za-z0-9_+=,.@-]{1,64}"
    r"|federated-user/[A-Za-z0-9_+=,.@:/-]{1,64})"
    r")"
)
_SERVICE = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_FEDERATED = re.compile(
    r"arn:aws[a-z-]{0,20}:iam::[0-9]{12}:saml-provider/[A-Za-z0-9._-]{1,128}"
    r"|arn:aws[a-z-]{0,20}:iam::[0-9]{12}:oidc-provider/[A-Za-z0-9._~%:/+=,@-]{1,512}"
    r"|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
_CANONICAL = re.compile(r"[0-9a-f]{64}")
_FORMS: Mapping[str, tuple[re.Pattern[str], ...]] = MappingProxyType(
    {
        "AWS": (_ACCOUNT, _ARN, _UNIQUE_ID, re.compile(r"\*")),
        "Service": (_SERVICE,),
        "Federated": (_FEDERATED,),
        "CanonicalUser": (_CANONICAL,),
    }
)
_FEDERATED_WORDS = "Federated principals must be valid domain names or SAML metadata ARNs"


def parse_principals(value: Any, path: str, *, trust: bool) -> tuple[PrincipalName, ...]:
    """Return the names of a Principal or NotPrincipal element.

    `"*"` and `{"AWS": "*"}` are the same.
    """
    if value == "*":
        return (PrincipalName("AWS", "*"),)
    if not isinstance(value, dict):
        _refuse("Principal must be a JSON object.", path)
    names: list[PrincipalName] = []
    for kind, listed in value.items():
        if kind not in _FORMS or (trust and kind == "CanonicalUser"):
            _refuse(f'Invalid principal in policy: "{kind}"', f"{path}.{kind}")
        several = listed if isinstance(listed, list) else [listed]
        names.extend(_parse_name(kind, one, f"{path}.{kind}") for one in several)
    if not names:
        _refuse("Missing required field Principal cannot be empty!", path)
    return tuple(names)


def _parse_name(kind: str, value: Any, path: str) -> PrincipalName:
    is_text = isinstance(value, str) and not isinstance(value, NumberText)
    if not is_text or not any(form.fullmatch(value) for form in _FORMS[kind]):
        if kind == "Federated":
            _refuse(_FEDERATED_WORDS, path)
        _refuse(f'Invalid principal in policy: "{kind.upper()}":"{value}"', path)
    return PrincipalName(kind, value)


def _refuse(words: str, path: str) -> NoReturn:
    raise MalformedPolicyDocument(words, detail=path)
