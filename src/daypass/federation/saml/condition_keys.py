"""Attributes of an assertion that become saml:* condition keys.

Owns the table. Leaves the keys from other parts of the assertion (saml:aud, saml:iss, saml:sub ...) to identity.py.
Source: IAM User Guide, "Mapping SAML attributes to AWS trust policy context keys"; AWS service reference for the types.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from daypass.federation.saml.assertion import TARGETED_ID
from daypass.federation.saml.saml_faults import invalid

# The values of each attribute by its full name. None is a value that is not plain text.
Values = Mapping[str, tuple[str | None, ...]]
_CONDITION_VALUE = 2_048


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """A condition key that is set from an attribute.

    With `many` it is always a list, as in the service reference (ArrayOfString); otherwise only with several values.
    """

    name: str
    many: bool = False


_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_EDU_PERSON = "urn:oid:1.3.6.1.4.1.5923.1.1.1."
_EDU_ORG = "urn:oid:1.3.6.1.4.1.5923.1.2.1."
_MICROSOFT = "http://schemas.microsoft.com/ws/2008/06/identity/claims/"

CONDITION_KEYS: Mapping[str, tuple[ConditionKey, ...]] = {
    f"{_EDU_PERSON}1": (ConditionKey("saml:edupersonaffiliation", many=True),),
    f"{_EDU_PERSON}2": (ConditionKey("saml:edupersonnickname", many=True),),
    f"{_EDU_PERSON}3": (ConditionKey("saml:edupersonorgdn"),),
    f"{_EDU_PERSON}4": (ConditionKey("saml:edupersonorgunitdn", many=True),),
    f"{_EDU_PERSON}5": (ConditionKey("saml:edupersonprimaryaffiliation"),),
    f"{_EDU_PERSON}6": (ConditionKey("saml:edupersonprincipalname"),),
    f"{_EDU_PERSON}7": (ConditionKey("saml:edupersonentitlement", many=True),),
    f"{_EDU_PERSON}8": (ConditionKey("saml:edupersonprimaryorgunitdn"),),
    f"{_EDU_PERSON}9": (ConditionKey("saml:edupersonscopedaffiliation", many=True),),
    TARGETED_ID: (ConditionKey("saml:edupersontargetedid", many=True),),
    f"{_EDU_PERSON}11": (ConditionKey("saml:edupersonassurance", many=True),),
    f"{_EDU_ORG}2": (ConditionKey("saml:eduorghomepageuri", many=True),),
    f"{_EDU_ORG}3": (ConditionKey("saml:eduorgidentityauthnpolicyuri", many=True),),
    f"{_EDU_ORG}4": (ConditionKey("saml:eduorglegalname", many=True),),
    f"{_EDU_ORG}5": (ConditionKey("saml:eduorgsuperioruri", many=True),),
    f"{_EDU_ORG}6": (ConditionKey("saml:eduorgwhitepagesuri", many=True),),
    "urn:oid:2.5.4.3": (ConditionKey("saml:cn", many=True), ConditionKey("saml:commonname")),
    "urn:oid:2.5.4.4": (ConditionKey("saml:surname"),),
    "urn:oid:2.5.4.42": (ConditionKey("saml:givenname"),),
    "urn:oid:2.5.4.45": (ConditionKey("saml:x500uniqueidentifier"),),
    "urn:oid:0.9.2342.19200300.100.1.1": (ConditionKey("saml:uid"),),
    "urn:oid:0.9.2342.19200300.100.1.3": (ConditionKey("saml:mail"),),
    "urn:oid:0.9.2342.19200300.100.1.45": (ConditionKey("saml:organizationstatus"),),
    f"{_CLAIM}name": (ConditionKey("saml:name"),),
    f"{_CLAIM}givenname": (ConditionKey("saml:givenname"),),
    f"{_CLAIM}surname": (ConditionKey("saml:surname"),),
    f"{_CLAIM}emailaddress": (ConditionKey("saml:mail"),),
    "http://schemas.xmlsoap.org/claims/CommonName": (ConditionKey("saml:commonname"),),
    f"{_MICROSOFT}primarygroupsid": (ConditionKey("saml:primarygroupsid"),),
}
_MANY = frozenset(key.name for keys in CONDITION_KEYS.values() for key in keys if key.many)


def read_conditions(values: Values) -> Mapping[str, str | tuple[str, ...]]:
    """Return the condition keys from the attributes.

    Raises a Fault if a value is too long or not plain text. It must not be ignored: at some providers users can edit
    these attributes, and a Deny does not match an absent key.
    """
    if CONDITION_KEYS.keys().isdisjoint(values):
        return {}
    found: dict[str, list[str]] = {}
    for attribute, keys in CONDITION_KEYS.items():
        if attribute not in values:
            continue
        texts = _texts(attribute, values[attribute])
        for key in keys:
            if texts:
                found.setdefault(key.name, []).extend(texts)
    return {
        name: tuple(dict.fromkeys(texts)) if name in _MANY or len(set(texts)) > 1 else texts[0]
        for name, texts in found.items()
    }


def _texts(attribute: str, given: tuple[str | None, ...]) -> list[str]:
    """Return an attribute's values, or raise if conditions cannot test them."""
    texts = [value for value in given if value is not None]
    if len(texts) < len(given):
        raise invalid(f"A value of {attribute} in AuthnResponse is not plain text")
    if any(len(text) > _CONDITION_VALUE for text in texts):
        raise invalid(f"A value of {attribute} in AuthnResponse is longer than {_CONDITION_VALUE} characters")
    return texts
