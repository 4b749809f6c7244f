"""Session tags that an identity provider put into a token.

Owns the claims under https://aws.amazon.com/tags, nested and flat, and the limits of session tags.
Source: IAM User Guide, "Passing session tags using AssumeRoleWithWebIdentity".
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import oidc_messages

TAGS_CLAIM = "https://aws.amazon.com/tags"
FLAT_PREFIX = f"{TAGS_CLAIM}/principal_tags/"
FLAT_TRANSITIVE = f"{TAGS_CLAIM}/transitive_tag_keys"
MAX_TAGS, MAX_KEY, MAX_VALUE = 50, 128, 256
_CATEGORIES = frozenset("LZN")  # letters, separators, numbers: [\p{L}\p{Z}\p{N}_.:/=+\-@]
_MEMBERS = {"principal_tags", "transitive_tag_keys"}
_PUNCTUATION = frozenset("_.:/=+-@")


@dataclass(frozen=True, slots=True)
class TokenTags:
    """The tags of a token in its order, and the transitive keys."""

    tags: tuple[tuple[str, str], ...]
    transitive: tuple[str, ...]


_NONE = TokenTags((), ())


def parse_tags(claims: Mapping[str, Any]) -> TokenTags:
    """Return the session tags in the claims of a verified token.

    Raises InvalidIdentityToken if one of them is not valid.
    """
    # A shortcut: most tokens have no tags.
    if TAGS_CLAIM not in "\n".join(claims):
        return _NONE
    nested = _value(claims, TAGS_CLAIM, {})
    if not isinstance(nested, Mapping):
        raise InvalidIdentityToken(oidc_messages.BAD_TAGS, detail="the tags claim is not an object")
    tags = (*_nested_tags(nested), *_flat_tags(claims))
    # Tag keys are not case-sensitive: one must not have two values.
    names = {key.lower() for key, _ in tags}
    if len(names) != len(tags):
        raise InvalidIdentityToken(
            oidc_messages.BAD_PRINCIPAL_TAGS, detail="a tag key occurs twice; letter case does not distinguish keys"
        )
    if len(tags) > MAX_TAGS:
        raise InvalidIdentityToken(oidc_messages.BAD_PRINCIPAL_TAGS, detail=f"there are more than {MAX_TAGS} tags")
    transitive = (*_texts(_value(nested, "transitive_tag_keys", [])), *_texts(_value(claims, FLAT_TRANSITIVE, [])))
    if not {key.lower() for key in transitive} <= names:
        raise InvalidIdentityToken(oidc_messages.BAD_TAGS, detail="a transitive key is not a tag of the token")
    return TokenTags(tags, tuple(dict.fromkeys(transitive)))


def _value(claims: Mapping[str, Any], name: str, absent: Any) -> Any:
    """Return a claim, or `absent`. A claim that is null counts as absent."""
    value = claims.get(name)
    return absent if value is None else value


def _nested_tags(nested: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not nested.keys() <= _MEMBERS:
        raise InvalidIdentityToken(
            oidc_messages.BAD_TAGS, detail="the tags claim has a member that AWS does not define"
        )
    principal = _value(nested, "principal_tags", {})
    if not isinstance(principal, Mapping):
        raise InvalidIdentityToken(oidc_messages.BAD_PRINCIPAL_TAGS, detail="principal_tags is not an object")
    for key, value in principal.items():
        # AWS: each value is a list of one string. AWS refuses a bare string too.
        if not isinstance(value, list) or len(value) != 1:
            raise InvalidIdentityToken(oidc_messages.BAD_TAGS, detail="a tag's value is not a list of one string")
        yield _checked(key, value[0])


def _flat_tags(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in claims.items():
        if value is None:
            continue
        # If a misspelt name were ignored, a Deny that tests the tag would not match.
        if name.startswith(f"{TAGS_CLAIM}/") and name != FLAT_TRANSITIVE and not name.startswith(FLAT_PREFIX):
            raise InvalidIdentityToken(
                oidc_messages.BAD_TAGS, detail="AWS does not define this claim below the tags claim"
            )
        if name.startswith(FLAT_PREFIX):
            single = value[0] if isinstance(value, list) and len(value) == 1 else value
            yield _checked(name.removeprefix(FLAT_PREFIX), single)


def _checked(key: str, value: object) -> tuple[str, str]:
    if not isinstance(value, str) or len(value) > MAX_VALUE or not 1 <= len(key) <= MAX_KEY:
        raise InvalidIdentityToken(
            oidc_messages.BAD_PRINCIPAL_TAGS,
            detail="a tag is not a key of 1 to 128 characters with a value of at most 256",
        )
    if key.lower().startswith("aws:") or not all(map(_is_allowed, key + value)):
        raise InvalidIdentityToken(
            oidc_messages.BAD_PRINCIPAL_TAGS,
            detail="a tag key begins with aws:, or a tag contains a character that AWS does not allow",
        )
    return key, value


def _is_allowed(letter: str) -> bool:
    return letter in _PUNCTUATION or unicodedata.category(letter)[0] in _CATEGORIES


def _texts(value: object) -> tuple[str, ...]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in found):
        raise InvalidIdentityToken(oidc_messages.BAD_TAGS, detail="transitive_tag_keys is not a list of strings")
    return tuple(found)
