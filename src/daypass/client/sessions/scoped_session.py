"""Narrow credentials of a session with GetScopedCredentials.

Owns the scope-down policies that options make, and the session that is narrowed. Nothing is cached: each program gets
credentials of its own.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from daypass.client.credential_request import CredentialRequest
from daypass.client.credentials import verify_credentials
from daypass.client.problems import BadUsageError, MisconfiguredError
from daypass.client.sessions.cache import CachedCredentials
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import get_credentials, with_endpoint
from daypass.client.text_format import printable

# Actions that neither change anything nor return credentials, secrets or tokens. AWS allows no wildcard in the name of
# a service, and the packed policy has to fit into a session.
READ_ONLY = (
    "cloudwatch:Describe*",
    "cloudwatch:Get*",
    "cloudwatch:List*",
    "dynamodb:BatchGetItem",
    "dynamodb:Describe*",
    "dynamodb:GetItem",
    "dynamodb:List*",
    "dynamodb:Query",
    "dynamodb:Scan",
    "ec2:Describe*",
    "iam:Get*",
    "iam:List*",
    "iam:Simulate*",
    "logs:Describe*",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "s3:GetBucket*",
    "s3:GetObject*",
    "s3:List*",
    "sns:Get*",
    "sns:List*",
    "sqs:Get*",
    "sqs:List*",
    "sts:DecodeAuthorizationMessage",
    "sts:GetAccessKeyInfo",
)
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """The limits of scoped credentials. 0 seconds are the rest of the session."""

    policy: str = ""
    seconds: int = 0
    description: str = ""


def policy_of(actions: Sequence[str], resources: Sequence[str]) -> str:
    """Return a policy that allows these actions on these resources, or on all.

    Raises BadUsageError if an action is malformed.
    """
    wrong = next((action for action in actions if not _ACTION.fullmatch(action)), None)
    if wrong is not None:
        raise BadUsageError(f"{printable(wrong)!r} is not an action. An action is SERVICE:NAME, such as s3:GetObject.")
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources) or "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def get_scoped(request: CredentialRequest, client_context: ClientContext, scope: Scope) -> CachedCredentials:
    """Return the narrowed credentials of the requested session.

    For a long-term key, `request` must be one for a session of it.
    """
    from daypass.client.sessions.sts_call import CallSigner, call, connect

    entry = _calling_session(request, client_context, scope)
    if not entry.credentials.session_token:
        raise MisconfiguredError("Only sessions can be scoped down, and these credentials have no session token.")
    region = with_endpoint(request, client_context).region
    signer = CallSigner(credentials=entry.credentials)
    sts = connect("sts", signer, endpoint_url=entry.endpoint_url, region=region)
    parameters = {
        "Policy": scope.policy,
        "DurationSeconds": scope.seconds,
        "ScopedSessionDescription": scope.description,
    }
    answer = call(sts, "GetScopedCredentials", {name: value for name, value in parameters.items() if value})
    return CachedCredentials(
        key="",
        credentials=verify_credentials(answer.get("Credentials") or {}),
        profile="",
        arn=printable((answer.get("SessionInfo") or {}).get("Arn", "")),
        endpoint_url=entry.endpoint_url,
    )


def _calling_session(request: CredentialRequest, client_context: ClientContext, scope: Scope) -> CachedCredentials:
    """Return the session to narrow; a new one if the cached one ends too early."""
    entry = get_credentials(request, client_context)
    if request.method == "keys" or entry.credentials.lasts(timedelta(seconds=scope.seconds), now=client_context.now()):
        return entry
    return get_credentials(request, replace(client_context, fresh=True))
