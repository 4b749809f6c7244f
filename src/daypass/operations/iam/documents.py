"""Policy documents as IAM's actions take and show them.

Owns which checks a document must pass before it is kept, and the form in which it is shown: URL-encoded, RFC 3986.
Quotas count characters without white space.
Source: IAM User Guide, "IAM and AWS STS quotas"; IAM API Reference, GetRolePolicy; the words are AWS's.
"""

import json
from urllib.parse import quote

from daypass.directory.entities import Role
from daypass.directory.principals import StoredTrust, show_principals
from daypass.directory.store import Reader
from daypass.errors import LimitExceeded, MalformedPolicyDocument
from daypass.federation.oidc.trust_rules import check_shared_issuers
from daypass.operations.iam.complaints import complain
from daypass.operations.world import World
from daypass.policy.document import Document, DocumentKind, parse_document, size_of
from daypass.policy.wildcard import compile_wildcard, tokens_of

# What a trust policy may speak of. A pattern must reach at least one of these.
TRUST_ACTIONS = (
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:tagsession",
    "sts:setsourceidentity",
    "sts:setcontext",
)


def show_document(text: str) -> str:
    """Return a document as answers carry it."""
    return quote(text, safe="")


def check_managed(text: str, most: int) -> None:
    """Refuse a document that cannot be a managed policy's."""
    complain(text, managed=True)
    parse_document(text, DocumentKind.IDENTITY)
    if size_of(text, count_white_space=False) > most:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {most}")


def check_inline(text: str) -> int:
    """Refuse a document that cannot be an inline policy, and return its size."""
    complain(text, managed=False)
    parse_document(text, DocumentKind.IDENTITY)
    return size_of(text, count_white_space=False)


def check_trust(text: str) -> None:
    """Refuse a document that cannot be a trust policy, whomever it names."""
    _check_trust_actions(parse_document(text, DocumentKind.TRUST))
    check_shared_issuers(json.loads(text))


def read_trust(world: World, account: str, text: str) -> StoredTrust:
    """Return the trust policy of an account's role as it is kept: checked, with unique ids of users and roles."""
    check_trust(text)
    most = world.settings.quotas.trust_policy_characters
    if size_of(text, count_white_space=False) > most:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {most}")
    return world.store_trust(world.reader, account, text)


def show_trust(reader: Reader, role: Role) -> str:
    """Return a role's trust policy as answers carry it: users and roles under their ARNs."""
    return show_document(show_principals(reader, role.trust, role.foreign))


def _check_trust_actions(document: Document) -> None:
    for statement in document.statements:
        for action in statement.actions:
            matches = compile_wildcard(tokens_of(action.lower()))
            if not any(matches(known) for known in TRUST_ACTIONS):
                raise MalformedPolicyDocument("AssumeRole policy may only specify STS AssumeRole actions.")
