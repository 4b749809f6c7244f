"""The attributes of an assertion: roles, session, tags, source identity.

Owns the names and rules of the attributes that AWS reads. Leaves to the operation the requested role and the permission
for tags and source identity.
Source: IAM User Guide, "Configure SAML assertions for the authentication response"; "Pass session tags in STS".
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from daypass.federation.saml.assertion import SamlAttribute
from daypass.federation.saml.condition_keys import Values, read_conditions
from daypass.federation.saml.saml_faults import invalid, no_role

AWS = "https://aws.amazon.com/SAML/Attributes/"
ROLE = f"{AWS}Role"
_ROLE = r"(?P<role>arn:(?P<role_of>aws[a-z-]*:iam::[0-9]{12}):role/[A-Za-z0-9_+=,.@/-]{1,576}(?<!/))"
_PROVIDER = r"(?P<provider>arn:(?P<provider_of>aws[a-z-]*:iam::[0-9]{12}):saml-provider/[A-Za-z0-9._-]{1,128})"
# An ARN does not contain white space, so trimming it leaves one reading. AWS trims it too.
_SPACE = r"[ \t\n\r\f\v]*"
_PAIR = re.compile(f"{_SPACE}{_ROLE}{_SPACE},{_SPACE}{_PROVIDER}{_SPACE}")
_REVERSED_PAIR = re.compile(f"{_SPACE}{_PROVIDER}{_SPACE},{_SPACE}{_ROLE}{_SPACE}")
_NAME = re.compile(r"[a-zA-Z_0-9+=,.@-]{2,64}")
_SOURCE_IDENTITY = re.compile(r"[a-zA-Z_0-9+=,.@-]{2,256}")
_SECONDS = re.compile(r"[0-9]{1,6}")
SHORTEST_SESSION, LONGEST_SESSION = 900, 43_200
_TAGS, _TAG_KEY, _TAG_VALUE = 50, 128, 256
_TAG_PUNCTUATION = frozenset("_.:/=+-@")


class RolePair(msgspec.Struct, frozen=True):
    """A role that the provider grants, and the ARN of that provider."""

    role: str
    provider: str


class Claims(msgspec.Struct, frozen=True):
    """The attributes of an assertion in AWS's terms."""

    roles: tuple[RolePair, ...]
    session_name: str
    session_duration: int | None
    tags: tuple[tuple[str, str], ...]
    transitive_keys: tuple[str, ...]
    source_identity: str | None
    conditions: Mapping[str, str | tuple[str, ...]]


def read_claims(attributes: Sequence[SamlAttribute]) -> Claims:
    """Return the attributes in AWS's terms.

    Raises the Fault of the first attribute that breaks a rule.
    """
    values = gather(attributes)
    tags = read_tags(values)
    return Claims(
        roles=read_roles(values),
        session_name=read_session_name(values),
        session_duration=read_session_duration(values),
        tags=tags,
        transitive_keys=read_transitive_keys(values, tags),
        source_identity=read_source_identity(values),
        conditions=read_conditions(values),
    )


def read_roles(values: Values) -> tuple[RolePair, ...]:
    """Return the pairs of role and provider.

    Other values are ignored. Raises a Fault without a pair.
    """
    given = values.get(ROLE, ())
    pairs = [pair for value in given if (pair := find_role_pair(value)) is not None]
    if not pairs:
        raise no_role(f"of {len(given)} Role values, not one is a pair of a role and a provider of the same account")
    return tuple(dict.fromkeys(pairs))


def require_provider(roles: Sequence[RolePair], provider: str) -> None:
    """Refuse roles that no caller can take through `provider`.

    Raises the Fault that STS returns for each of them.
    """
    if all(pair.provider != provider for pair in roles):
        raise no_role(f"no Role value contains {provider}")


def find_role_pair(value: str | None) -> RolePair | None:
    """Return the pair in `ROLE_ARN,PROVIDER_ARN`, or None if it is invalid.

    They may be in either order and must be of one account. ASCII white space around them is ignored. A role's name may
    contain a comma.
    """
    found = _PAIR.fullmatch(value or "") or _REVERSED_PAIR.fullmatch(value or "")
    if found is None or found["role_of"] != found["provider_of"]:
        return None
    return RolePair(found["role"], found["provider"])


def read_session_name(values: Values) -> str:
    """Return the role session name."""
    name = _single(values, "RoleSessionName")
    if name is None:
        raise invalid("RoleSessionName is required in AuthnResponse")
    if not _NAME.fullmatch(name):
        raise invalid("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    return name


def read_session_duration(values: Values) -> int | None:
    """Return the longest session that the provider allows, in seconds.

    Returns None if it is unlimited.
    """
    text = _single(values, "SessionDuration")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text) or not SHORTEST_SESSION <= int(text) <= LONGEST_SESSION:
        raise invalid(
            f"SessionDuration in AuthnResponse must be a whole number between {SHORTEST_SESSION} and {LONGEST_SESSION}"
        )
    return int(text)


def read_source_identity(values: Values) -> str | None:
    """Return the source identity that the provider sets, or None."""
    name = _single(values, "SourceIdentity")
    if name is None:
        return None
    # A name cannot begin with the reserved "aws:", because the pattern does not allow a colon.
    if not _SOURCE_IDENTITY.fullmatch(name):
        raise invalid('Source Identity must match [a-zA-Z_0-9+=,.@-]{2,256} and not begin with "aws:"')
    return name


def read_tags(values: Values) -> tuple[tuple[str, str], ...]:
    """Return the session tags in the order of the assertion."""
    prefix = "PrincipalTag:"
    keys = [name[len(AWS) + len(prefix) :] for name in values if name.startswith(f"{AWS}{prefix}")]
    if len(keys) > _TAGS:
        raise invalid(f"AuthnResponse must not contain more than {_TAGS} PrincipalTag attributes")
    if len({key.lower() for key in keys}) != len(keys):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    return tuple((_tag_key(key), _tag_value(key, _single(values, f"{prefix}{key}"))) for key in keys)


def _tag_key(key: str) -> str:
    if not 1 <= len(key) <= _TAG_KEY or not _is_tag_text(key) or key.lower().startswith("aws:"):
        raise invalid(f"The tag key {key[:_TAG_KEY]!r} in AuthnResponse is not valid")
    return key


def _tag_value(key: str, value: str | None) -> str:
    if value is None or len(value) > _TAG_VALUE or not _is_tag_text(value):
        raise invalid(f"The value of the tag {key!r} in AuthnResponse is not valid")
    return value


def _is_tag_text(text: str) -> bool:
    """Return whether `text` is valid in a tag.

    AWS allows letters, separators, numbers and some punctuation.
    """
    return all(character in _TAG_PUNCTUATION or unicodedata.category(character)[0] in "LZN" for character in text)


def read_transitive_keys(values: Values, tags: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the keys of the tags that are passed along a role chain."""
    keys = values.get(f"{AWS}TransitiveTagKeys", ())
    known = {key.lower() for key, _ in tags}
    if any(key is None or key.lower() not in known for key in keys):
        raise invalid("The specified transitive tag key must be included in the requested tags.")
    return tuple(dict.fromkeys(key for key in keys if key is not None))


def _single(values: Values, name: str) -> str | None:
    """Return the one value of an AWS attribute, or None without a value.

    Raises a Fault for several values, and for a value that is not plain text.
    """
    given = values.get(f"{AWS}{name}")
    if given is None or given == ():
        return None
    if len(given) != 1 or given[0] is None:
        raise invalid(f"{name} in AuthnResponse must have exactly one value, of plain text")
    return given[0]


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """The rule of one attribute, for the report of `saml inspect`.

    `hint` is for the operator of the identity provider.
    """

    name: str
    read: Callable[[Values], object]
    hint: str


RULES: Sequence[AttributeRule] = (
    AttributeRule(
        "Role",
        read_roles,
        f"Send an attribute named {ROLE} whose values are ROLE_ARN,PROVIDER_ARN: both of one account, "
        "with a comma between them.",
    ),
    AttributeRule(
        "RoleSessionName",
        read_session_name,
        f"Send an attribute named {AWS}RoleSessionName with one value, for example the user name or email address.",
    ),
    AttributeRule("SessionDuration", read_session_duration, "Send whole seconds from 900 to 43200, or omit it."),
    AttributeRule("PrincipalTag", read_tags, f"Name each tag {AWS}PrincipalTag:KEY and give it one value."),
    AttributeRule(
        "TransitiveTagKeys",
        lambda values: read_transitive_keys(values, read_tags(values)),
        "Every transitive key must be the key of a PrincipalTag in the same assertion.",
    ),
    AttributeRule(
        "SourceIdentity", read_source_identity, "Send one value of 2 to 256 letters, digits and +=,.@-_, or omit it."
    ),
    AttributeRule("Condition keys", read_conditions, "Send plain text of at most 2,048 characters, or omit it."),
)


def gather(attributes: Sequence[SamlAttribute]) -> Values:
    """Return the values of each attribute.

    Those of a repeated attribute are joined.
    """
    gathered: dict[str, list[str | None]] = {}
    for attribute in attributes:
        gathered.setdefault(attribute.name, []).extend(attribute.values)
    return {name: tuple(values) for name, values in gathered.items()}
