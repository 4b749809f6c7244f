"""The directory as entities with attributes.

The form in which a file and a store are compared. Pure. desired.py makes the State of a file, store/store_state.py that
of a store, and plan/differences.py compares them.

An attribute is a value (a path, a document) or a mapping of parts (tags by key, inline policies by name, attached
policies by ARN). ATTRIBUTES says which.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from daypass.apply.file.nodes import FilePosition
from daypass.arn import iam_arn
from daypass.mint.secret import Secret

Key = tuple[str, str, str]
"""Account, kind, and the name in lower case."""

REQUIRE_MFA_PATH, REQUIRE_MFA_NAME = "/daypass/", "RequireMfa"


ALL_BLOCKED: Mapping[str, bool] = {
    "blockPublicAcls": True,
    "ignorePublicAcls": True,
    "blockPublicPolicy": True,
    "restrictPublicBuckets": True,
}
"""The public access block of a bucket by default."""


class AttributeType(Enum):
    """The type of an attribute."""

    VALUE = "value"
    LIST = "list"
    TEXT = "text"
    """A value that is too long to show."""
    JSON = "json"
    """A string that is shown as JSON; empty if it is not set."""
    POLICY = "policy"
    PARTS = "parts"
    POLICIES = "policies"
    """Parts that are policy documents."""
    SECRET = "secret"  # noqa: S105 - the name of a form, no secret
    """A value that is never shown."""


@dataclass(frozen=True, slots=True)
class ThingAttribute:
    """An attribute: its form, its default, and whether it can change."""

    form: AttributeType
    default: Any = None
    fixed: bool = False

    @property
    def has_parts(self) -> bool:
        """Return whether the attribute is a mapping of separate parts."""
        return self.form in {AttributeType.PARTS, AttributeType.POLICIES}


_VALUE, _PARTS = ThingAttribute(AttributeType.VALUE, ""), ThingAttribute(AttributeType.PARTS)
_FIXED_PATH, _PATH = ThingAttribute(AttributeType.VALUE, "/", fixed=True), ThingAttribute(AttributeType.VALUE, "/")

_CONTROLS: Mapping[str, ThingAttribute] = {
    "serviceControl": ThingAttribute(AttributeType.POLICIES),
    "resourceControl": ThingAttribute(AttributeType.POLICIES),
    "fullAccess": ThingAttribute(AttributeType.VALUE, default=True),
}

# Kind of entity -> its attributes, in the order of a plan.
ATTRIBUTES: Mapping[str, Mapping[str, ThingAttribute]] = {
    "account": {
        "name": _VALUE,
        "alias": _VALUE,
        "passwordPolicy": ThingAttribute(AttributeType.VALUE),
        "unit": ThingAttribute(AttributeType.VALUE, "/"),
        **_CONTROLS,
    },
    "unit": _CONTROLS,
    "policy": {
        "path": _FIXED_PATH,
        "description": ThingAttribute(AttributeType.VALUE, "", fixed=True),
        "document": ThingAttribute(AttributeType.POLICY),
        "tags": _PARTS,
    },
    "group": {"path": _PATH, "policies": _PARTS, "inline": ThingAttribute(AttributeType.POLICIES)},
    "user": {
        "path": _PATH,
        "tags": _PARTS,
        "groups": _PARTS,
        "policies": _PARTS,
        "inline": ThingAttribute(AttributeType.POLICIES),
        "boundary": _VALUE,
        "accessKeys": _PARTS,
    },
    "oidcProvider": {
        "clientIds": _PARTS,
        "thumbprints": ThingAttribute(AttributeType.LIST, []),
        "furtherClaims": ThingAttribute(AttributeType.LIST, []),
        "pinnedKeys": ThingAttribute(AttributeType.JSON, ""),
        "contextProvider": ThingAttribute(AttributeType.VALUE),
        "tags": _PARTS,
    },
    "samlProvider": {
        "metadata": ThingAttribute(AttributeType.TEXT, ""),
        "encryptionMode": ThingAttribute(AttributeType.VALUE, "Allowed"),
        "privateKeys": _PARTS,
        "contextProvider": ThingAttribute(AttributeType.VALUE),
        "lax": ThingAttribute(AttributeType.VALUE, default=False),
        "allowSha1": ThingAttribute(AttributeType.VALUE, default=False),
        "label": _VALUE,
        "logo": ThingAttribute(AttributeType.TEXT, ""),
        "order": ThingAttribute(AttributeType.VALUE, 0),
        "tags": _PARTS,
    },
    "oidcClient": {
        "issuer": ThingAttribute(AttributeType.VALUE, "", fixed=True),
        "clientId": ThingAttribute(AttributeType.VALUE, "", fixed=True),
        "authentication": _VALUE,
        "secret": ThingAttribute(AttributeType.SECRET),
        "keyAlgorithm": ThingAttribute(AttributeType.VALUE, "ES256"),
        "scopes": ThingAttribute(AttributeType.LIST, []),
        "responseMode": _VALUE,
        "label": _VALUE,
        "logo": ThingAttribute(AttributeType.TEXT, ""),
        "order": ThingAttribute(AttributeType.VALUE, 0),
    },
    "role": {
        "path": _FIXED_PATH,
        "description": _VALUE,
        "maxSessionDuration": ThingAttribute(AttributeType.VALUE, 3600),
        "maxSigninSessionDuration": ThingAttribute(AttributeType.VALUE, 0),  # 0 stands for no limit
        "trust": ThingAttribute(AttributeType.POLICY),
        "tags": _PARTS,
        "policies": _PARTS,
        "inline": ThingAttribute(AttributeType.POLICIES),
        "boundary": _VALUE,
    },
    "bucket": {
        "backend": _VALUE,
        "region": _VALUE,
        "policy": ThingAttribute(AttributeType.POLICY),
        "publicAccessBlock": ThingAttribute(AttributeType.VALUE, ALL_BLOCKED),
    },
}


# Kind of entity -> its word in ARNs. A provider has no path.
NOUNS: Mapping[str, str] = {
    "policy": "policy",
    "group": "group",
    "user": "user",
    "role": "role",
    "oidcProvider": "oidc-provider",
    "samlProvider": "saml-provider",
}


@dataclass(frozen=True, slots=True)
class KeyValue:
    """An access key.

    `secret` is None if it was not provided; `name` is its name.
    """

    active: bool
    secret: Secret | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class PrivateKeyValue:
    """A private key, identified by its fingerprint.

    `id` is that of a stored key.
    """

    secret: Secret | None = field(default=None, compare=False)
    name: str = field(default="", compare=False)
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class ClientSecretValue:
    """The secret of an OpenID Connect client.

    `secret` is None if it was not provided: it cannot be compared then, thus it is not a change.
    """

    secret: Secret | None
    name: str = ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClientSecretValue):
            return NotImplemented
        return self.secret is None or other.secret is None or self.secret == other.secret

    __hash__ = None  # type: ignore[assignment] # equality is not transitive


@dataclass(frozen=True, slots=True)
class Thing:
    """One entity of an account; a unit has no account.

    `id` is its unique id, empty in a file. A `protected` entity cannot be deleted. `attributes` contains the given
    attributes; parts are mappings. `unresolved` are unresolved principals: principals of the trust policy or bucket
    policy that do not exist in this store.
    """

    account: str
    kind: str
    name: str
    attributes: Mapping[str, Any]
    id: str = ""
    place: FilePosition = field(default_factory=FilePosition)
    places: Mapping[str, FilePosition] = field(default_factory=dict)
    unresolved: frozenset[str] = frozenset()
    protected: bool = False

    @property
    def key(self) -> Key:
        """Return the key that identifies the entity in a file and in a store."""
        return (self.account, self.kind, self.name.lower())

    def value(self, attribute: str) -> Any:
        """Return an attribute, or its default if it is not set."""
        rule = ATTRIBUTES[self.kind][attribute]
        return self.attributes.get(attribute, {} if rule.has_parts else rule.default)

    def place_of(self, attribute: str) -> FilePosition:
        """Return the place of an attribute in the file."""
        return self.places.get(attribute, self.place)

    @property
    def arn(self) -> str:
        """Return the ARN of the entity."""
        path = self.value("path") if "path" in ATTRIBUTES[self.kind] else "/"
        return iam_arn(self.account, NOUNS[self.kind], path, self.name)


State = Mapping[Key, Thing]


def of_kind(state: State, kind: str, account: str | None = None) -> Iterator[Thing]:
    """Return the entities of a kind, in order."""
    for (thing_account, thing_kind, _), thing in sorted(state.items()):
        if thing_kind == kind and account in {None, thing_account}:
            yield thing


def document_text(document: Mapping[str, Any]) -> str:
    """Return a document in its stored form."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
