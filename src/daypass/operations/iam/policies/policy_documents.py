"""Policy documents: how IAM's actions check, store and show them.

Owns the checks before a document is stored, and the URL encoding of answers (RFC 3986). Quotas do not count white
space.
Source: IAM User Guide, "IAM and AWS STS quotas"; IAM API Reference, GetRolePolicy; the messages are AWS's.
"""

import json
from urllib.parse import quote

from daypass.directory.entities.iam_entities import Role
from daypass.directory.principals import StoredTrust, show_principals
from daypass.directory.store import Reader
from daypass.errors import LimitExceeded, MalformedPolicyDocument
from daypass.federation.oidc.trust_rules import check_shared_issuers
from daypass.operations.iam.policies.validation_messages import check_identity_policy
from daypass.operations.request_context import RequestContext
from daypass.policy.language.document import Document, DocumentKind, check_size, size_of
from daypass.policy.language.saved_documents import check_beginning, parse_new_document
from daypass.policy.wildcard import compile_wildcard, tokens_of

# Each byte of UTF-8 as it is in an answer.
_ENCODED = tuple(quote(bytes((byte,)), safe="") for byte in range(256))
# The actions that a trust policy can contain. A pattern must match at least one of them.
TRUST_ACTIONS = (
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:tagsession",
    "sts:setsourceidentity",
    "sts:setcontext",
)


def show_document(text: str) -> str:
    """Return a document in the encoding of answers.

    Source: RFC 3986 section 2.1, with every character encoded that is not unreserved.
    """
    return "".join(map(_ENCODED.__getitem__, text.encode()))


def check_managed(text: str, most: int) -> None:
    """Refuse a document that is not a valid managed policy."""
    check_identity_policy(text, managed=True)
    parse_new_document(text, DocumentKind.IDENTITY)
    check_size(text, most, count_white_space=False)


def check_inline(text: str) -> int:
    """Refuse an invalid inline policy. Return the size of a valid one."""
    check_identity_policy(text, managed=False)
    parse_new_document(text, DocumentKind.IDENTITY)
    return size_of(text, count_white_space=False)


def check_trust(text: str) -> None:
    """Refuse an invalid trust policy. Does not look up its principals."""
    check_beginning(text, DocumentKind.TRUST)
    _check_trust_actions(parse_new_document(text, DocumentKind.TRUST))
    check_shared_issuers(json.loads(text))


def read_trust(ctx: RequestContext, account: str, text: str) -> StoredTrust:
    """Return the trust policy of an account's role in its stored form.

    It is checked, and unique ids of users and roles replace their ARNs.
    """
    check_trust(text)
    most = ctx.settings.quotas.trust_policy_characters
    if size_of(text, count_white_space=False) > most:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {most}")
    return ctx.store_trust(ctx.reader, account, text)


def show_trust(reader: Reader, role: Role) -> str:
    """Return a role's trust policy with the ARNs of users and roles."""
    return show_document(show_principals(reader, role.trust, role.foreign))


def _check_trust_actions(document: Document) -> None:
    for statement in document.statements:
        for action in statement.actions:
            matches = compile_wildcard(tokens_of(action.lower()))
            if not any(matches(known) for known in TRUST_ACTIONS):
                raise MalformedPolicyDocument("AssumeRole policy may only specify STS AssumeRole actions.")
