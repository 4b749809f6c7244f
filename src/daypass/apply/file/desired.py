"""The desired state: a file as a State.

Pure. Owns the meaning of the file's fields: names become ARNs, secrets are found by name, and `requireMfa` becomes a
policy that denies every action without MFA, except those on the caller's own MFA device. Leaves to plan/references.py
and to the API whether the state is possible.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daypass.apply.file.issuer_terms import Files, NoFiles, load_key_set
from daypass.apply.file.nodes import FilePosition, LocatedValue
from daypass.apply.file.password_policy import wanted_policy
from daypass.apply.file.schema import DOCUMENT
from daypass.apply.file.secret_names import Secrets
from daypass.apply.file.shapes import Located
from daypass.apply.file.state import (
    ALL_BLOCKED,
    ATTRIBUTES,
    REQUIRE_MFA_NAME,
    REQUIRE_MFA_PATH,
    ClientSecretValue,
    Key,
    KeyValue,
    PrivateKeyValue,
    State,
    Thing,
)
from daypass.arn import iam_arn
from daypass.mint.secret import Secret

# Section of an account -> the kind of entity that it lists.
KINDS: Mapping[str, str] = {
    "policies": "policy",
    "groups": "group",
    "users": "user",
    "oidcProviders": "oidcProvider",
    "samlProviders": "samlProvider",
    "oidcClients": "oidcClient",
    "roles": "role",
    "buckets": "bucket",
}

_OWN_DEVICE = "arn:aws:iam::*:mfa/*"
_OWN_USER = "arn:aws:iam::*:user/${aws:username}"

FORCE_MFA: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AllowViewAccountInfo",
            "Effect": "Allow",
            "Action": "iam:ListVirtualMFADevices",
            "Resource": "*",
        },
        {
            "Sid": "AllowManageOwnVirtualMFADevice",
            "Effect": "Allow",
            "Action": ["iam:CreateVirtualMFADevice"],
            "Resource": _OWN_DEVICE,
        },
        {
            "Sid": "AllowManageOwnUserMFA",
            "Effect": "Allow",
            "Action": [
                "iam:DeactivateMFADevice",
                "iam:EnableMFADevice",
                "iam:GetUser",
                "iam:GetMFADevice",
                "iam:ListMFADevices",
                "iam:ResyncMFADevice",
            ],
            "Resource": _OWN_USER,
        },
        {
            "Sid": "DenyAllExceptListedIfNoMFA",
            "Effect": "Deny",
            "NotAction": [
                "iam:CreateVirtualMFADevice",
                "iam:EnableMFADevice",
                "iam:GetUser",
                "iam:GetMFADevice",
                "iam:ListMFADevices",
                "iam:ListVirtualMFADevices",
                "iam:ResyncMFADevice",
                "sts:GetSessionToken",
            ],
            "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        },
    ],
}


@dataclass(frozen=True, slots=True)
class NewAccount:
    """The values that are needed to create an account.

    `root_secret` is the name of a secret.
    """

    standing: str = ""
    root_key_id: str = ""
    root_secret: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state.

    `sections` has the accounts and the kinds of entities in the file.
    """

    name: str
    state: State
    new_accounts: Mapping[str, NewAccount]
    sections: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Return the accounts that the file names, in order.

        Units, without an account, come first.
        """
        return (*(("",) if ("", "unit") in self.sections else ()), *sorted(self.new_accounts))


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """The external references of a file: policies by name, secrets, other files."""

    policies: Mapping[str, str]
    secrets: Secrets
    files: Files


def read_desired(root: LocatedValue, secrets: Secrets, files: Files | None = None) -> Desired:
    """Return the desired state of a file.

    `files` are the files in the same directory. Raises ApplyFileError.
    """
    document = DOCUMENT.read(root, FilePosition())
    state: dict[Key, Thing] = {}
    new_accounts: dict[str, NewAccount] = {}
    sections: set[tuple[str, str]] = set()
    for account, located in document.given["accounts"].items():
        new_accounts[account] = _new_account(located)
        _put(state, _account(account, located))
        elsewhere = _Elsewhere(_policy_arns(account, located), secrets, files or NoFiles())
        for section, kind in KINDS.items():
            if section in located.given:
                sections.add((account, kind))
            for name, fields in located.given.get(section, {}).items():
                _put(state, _thing(account, kind, name, fields, elsewhere))
        if any(located_thing.given.get("requireMfa") for located_thing in _holders(located)):
            _put(state, require_mfa_policy(account, located.place))
    if "organization" in document.given:
        sections.add(("", "unit"))
        for path, fields in document.given["organization"].given["units"].items():
            _put(state, Thing("", "unit", path, fields.given, place=fields.place, places=fields.places))
    return Desired(document.given.get("name", "default"), state, new_accounts, frozenset(sections))


def require_mfa_policy(account: str, place: FilePosition) -> Thing:
    """Return the managed policy that `requireMfa` attaches."""
    attributes = {
        "path": REQUIRE_MFA_PATH,
        "description": "Denies everything but the management of one's own MFA devices until an MFA code was given.",
        "document": FORCE_MFA,
    }
    return Thing(account, "policy", REQUIRE_MFA_NAME, attributes, place=place)


def require_mfa_arn(account: str) -> str:
    """Return the ARN of the managed policy that `requireMfa` attaches."""
    return iam_arn(account, "policy", REQUIRE_MFA_PATH, REQUIRE_MFA_NAME)


def _put(state: dict[Key, Thing], thing: Thing) -> None:
    state.setdefault(thing.key, thing)


def _holders(located: Located) -> list[Located]:
    return [*located.given.get("users", {}).values(), *located.given.get("groups", {}).values()]


def _account(account: str, located: Located) -> Thing:
    attributes = {name: located.given[name] for name in ATTRIBUTES["account"] if name in located.given}
    if "passwordPolicy" in attributes:
        attributes["passwordPolicy"] = wanted_policy(attributes["passwordPolicy"].given)
    return Thing(account, "account", account, attributes, place=located.place, places=located.places)


def _new_account(located: Located) -> NewAccount:
    standing = located.given.get("standing", "")
    if "rootAccessKey" not in located.given:
        return NewAccount(standing)
    given = located.given["rootAccessKey"].given
    return NewAccount(standing, given["id"], given["secretAccessKey"].name)


def _policy_arns(account: str, located: Located) -> dict[str, str]:
    """Return the ARNs of the policies in the file, by lower-case name."""
    return {
        name.lower(): iam_arn(account, "policy", fields.given.get("path", "/"), name)
        for name, fields in located.given.get("policies", {}).items()
    }


def _thing(account: str, kind: str, name: str, located: Located, elsewhere: _Elsewhere) -> Thing:
    given = dict(located.given)
    if given.pop("requireMfa", False):
        given["policies"] = [*given.get("policies", ()), require_mfa_arn(account)]
    unresolved = frozenset(given.pop("strangers", ()))
    if "policies" in given:
        given["policies"] = {_arn(account, text, elsewhere.policies): None for text in given["policies"]}
    if "boundary" in given:
        given["boundary"] = _arn(account, given["boundary"], elsewhere.policies)
    given |= {attribute: read(given[attribute]) for attribute, read in _PLAIN.items() if attribute in given}
    if "pinnedKeys" in given:
        given["pinnedKeys"] = load_key_set(given["pinnedKeys"], elsewhere.files, located.places["pinnedKeys"])
    if "privateKeys" in given:
        given["privateKeys"] = {
            named: _private_key(reference.name, elsewhere.secrets) for named, reference in given["privateKeys"].items()
        }
    if "secret" in given:
        given["secret"] = _client_secret(given["secret"].name, elsewhere.secrets)
    if "accessKeys" in given:
        given["accessKeys"] = {
            key_id: _key(key.given, elsewhere.secrets) for key_id, key in given["accessKeys"].items()
        }
    return Thing(account, kind, name, given, place=located.place, places=located.places, unresolved=unresolved)


# Attribute -> its value, from the value in the file.
_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    "groups": dict.fromkeys,
    "clientIds": dict.fromkeys,
    "thumbprints": lambda listed: [thumbprint.lower() for thumbprint in listed],
    "publicAccessBlock": lambda settings: {**ALL_BLOCKED, **settings.given},
}


def _arn(account: str, text: str, policies: Mapping[str, str]) -> str:
    """Return the ARN of a policy.

    A policy outside the file is expected below the path `/`.
    """
    return text if text.startswith("arn:") else policies.get(text.lower(), iam_arn(account, "policy", "/", text))


def _private_key(name: str, secrets: Secrets) -> PrivateKeyValue:
    found = secrets.find(name)
    return PrivateKeyValue(None if found is None else Secret(found), name)


def _client_secret(name: str, secrets: Secrets) -> ClientSecretValue:
    found = secrets.find(name)
    return ClientSecretValue(None if found is None else Secret(found), name)


def _key(given: Mapping[str, Any], secrets: Secrets) -> KeyValue:
    name = given["secretAccessKey"].name
    found = secrets.find(name)
    return KeyValue(given.get("status", "Active") == "Active", None if found is None else Secret(found), name)
