"""The directory as things with attributes: the one form in which a file and a store can be compared.

Pure. Owns Thing and State. A file becomes a State in desired.py, a store in present.py; differences are plan.py's.
An attribute is a value (a path, a document) or a mapping of parts (tags by key, inline policies by name, attached
policies by ARN), and ATTRIBUTES says which.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from daypass.apply.nodes import Place
from daypass.arn import iam_arn
from daypass.mint.secret import Secret

Key = tuple[str, str, str]
"""Account, kind, and the name without regard to case."""

REQUIRE_MFA_PATH, REQUIRE_MFA_NAME = "/daypass/", "RequireMfa"


class Form(Enum):
    """What an attribute is made of."""

    VALUE = "value"
    LIST = "list"
    TEXT = "text"
    """A value too long to be shown."""
    JSON = "json"
    """A text that is shown as the JSON it holds; empty where there is none."""
    POLICY = "policy"
    PARTS = "parts"
    POLICIES = "policies"
    """Parts each of which is a policy document."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: what it is made of, what it is where nobody set it, and whether it can change."""

    form: Form
    default: Any = None
    fixed: bool = False

    @property
    def has_parts(self) -> bool:
        """Tell whether the attribute is a mapping whose parts come and go one by one."""
        return self.form in {Form.PARTS, Form.POLICIES}


_VALUE, _PARTS = Attribute(Form.VALUE, ""), Attribute(Form.PARTS)
_FIXED_PATH, _PATH = Attribute(Form.VALUE, "/", fixed=True), Attribute(Form.VALUE, "/")

_CONTROLS: Mapping[str, Attribute] = {
    "serviceControl": Attribute(Form.POLICIES),
    "resourceControl": Attribute(Form.POLICIES),
    "fullAccess": Attribute(Form.VALUE, default=True),
}

# Kind of thing -> its attributes, in the order in which a plan shows them.
ATTRIBUTES: Mapping[str, Mapping[str, Attribute]] = {
    "account": {
        "name": _VALUE,
        "alias": _VALUE,
        "passwordPolicy": Attribute(Form.VALUE),
        "unit": Attribute(Form.VALUE, "/"),
        **_CONTROLS,
    },
    "unit": _CONTROLS,
    "policy": {
        "path": _FIXED_PATH,
        "description": Attribute(Form.VALUE, "", fixed=True),
        "document": Attribute(Form.POLICY),
        "tags": _PARTS,
    },
    "group": {"path": _PATH, "policies": _PARTS, "inline": Attribute(Form.POLICIES)},
    "user": {
        "path": _PATH,
        "tags": _PARTS,
        "groups": _PARTS,
        "policies": _PARTS,
        "inline": Attribute(Form.POLICIES),
        "boundary": _VALUE,
        "accessKeys": _PARTS,
    },
    "oidcProvider": {
        "clientIds": _PARTS,
        "thumbprints": Attribute(Form.LIST, []),
        "furtherClaims": Attribute(Form.LIST, []),
        "pinnedKeys": Attribute(Form.JSON, ""),
        "tags": _PARTS,
    },
    "samlProvider": {
        "metadata": Attribute(Form.TEXT, ""),
        "encryptionMode": Attribute(Form.VALUE, "Allowed"),
        "privateKeys": _PARTS,
        "lax": Attribute(Form.VALUE, default=False),
        "allowSha1": Attribute(Form.VALUE, default=False),
        "tags": _PARTS,
    },
    "role": {
        "path": _FIXED_PATH,
        "description": _VALUE,
        "maxSessionDuration": Attribute(Form.VALUE, 3600),
        "trust": Attribute(Form.POLICY),
        "tags": _PARTS,
        "policies": _PARTS,
        "inline": Attribute(Form.POLICIES),
        "boundary": _VALUE,
    },
}


# Kind of thing -> its word in ARNs. A provider has no path.
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
    """An access key. `secret` is None where a file names a secret that was not given; `name` is that name."""

    active: bool
    secret: Secret | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class PrivateKeyValue:
    """A private key, which its fingerprint names: two of one fingerprint are the same. `id` is that of a stored one."""

    secret: Secret | None = field(default=None, compare=False)
    name: str = field(default="", compare=False)
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of an account; units have none. `id` is its unique id, empty in a file.

    `protected` things are nobody's to delete.

    `attributes` holds what was given; parts are mappings. `strangers` are principals of the trust policy that nobody
    here is meant by.
    """

    account: str
    kind: str
    name: str
    attributes: Mapping[str, Any]
    id: str = ""
    place: Place = field(default_factory=Place)
    places: Mapping[str, Place] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()
    protected: bool = False

    @property
    def key(self) -> Key:
        """The name under which it is the same thing in a file and in a store."""
        return (self.account, self.kind, self.name.lower())

    def value(self, attribute: str) -> Any:
        """Return an attribute, or what it is where nobody set it."""
        rule = ATTRIBUTES[self.kind][attribute]
        return self.attributes.get(attribute, {} if rule.has_parts else rule.default)

    def place_of(self, attribute: str) -> Place:
        """Return where an attribute stands in the file."""
        return self.places.get(attribute, self.place)

    @property
    def arn(self) -> str:
        """The thing's ARN."""
        path = self.value("path") if "path" in ATTRIBUTES[self.kind] else "/"
        return iam_arn(self.account, NOUNS[self.kind], path, self.name)


State = Mapping[Key, Thing]


def of_kind(state: State, kind: str, account: str | None = None) -> Iterator[Thing]:
    """Return the things of a kind, in order."""
    for (thing_account, thing_kind, _), thing in sorted(state.items()):
        if thing_kind == kind and account in {None, thing_account}:
            yield thing


def document_text(document: Mapping[str, Any]) -> str:
    """Return a document as the store keeps it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
