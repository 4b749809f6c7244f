"""Find the account of a role that was named without one.

Owns the file that remembers the account of each access key: a key never moves to another account, so STS is asked once.
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from daypass.client.credential_request import CredentialRequest
from daypass.client.operating_system import is_of_another_user, replace_file
from daypass.client.partitions import partition_name
from daypass.client.roles import account_of, needs_account, role_arns
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.source_keys import long_term_key
from daypass.client.sha256 import sha256_hex

_NAME = "accounts"
_MOST = 200
_LARGEST = 65_536

Resolve = Callable[[CredentialRequest], tuple[str, ...]]


def with_accounts(request: CredentialRequest, client_context: ClientContext, resolve: Resolve) -> CredentialRequest:
    """Return the request with each role as an ARN, if that is possible.

    No other program is run. `resolve` asks STS. A name stays a name if the source's account may change, as with a
    container's credentials.
    """
    roles = request.role_arn
    if request.method != "role" or not roles:
        return request
    if not needs_account(roles):
        return replace(
            request, role_arn=role_arns(roles, partition=partition_name(request.region, request.endpoint_url))
        )
    source = client_context.profiles.by_name.get(request.source_profile)
    own = source.request if source is not None else None
    if own is not None and own.role_arn and account_of(own.role_arn[-1]):
        last = own.role_arn[-1]
        return replace(request, role_arn=role_arns(roles, account_of(last), last.split(":")[1]))
    key_id = long_term_key(request, client_context.profiles, client_context.environment)
    if not key_id:
        return request
    known = _load(client_context)
    digest = sha256_hex(f"{request.endpoint_url}\n{key_id}".encode())
    if digest in known:
        partition, account = known[digest]
        return replace(request, role_arn=role_arns(roles, account, partition))
    found = resolve(request)
    if client_context.keeps:
        _keep({**known, digest: (found[0].split(":")[1], account_of(found[0]))}, client_context)
    return replace(request, role_arn=found)


def _load(client_context: ClientContext) -> dict[str, tuple[str, str]]:
    try:
        with (client_context.cache.folder.parent / _NAME).open("rb") as file:
            if is_of_another_user(file.fileno()):
                return {}
            document: Any = json.loads(file.read(_LARGEST))
        pairs = {str(key): (str(value[0]), str(value[1])) for key, value in document.items()}
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return {}
    return {key: pair for key, pair in pairs.items() if pair[1].isascii() and pair[1].isdigit()}


def _keep(known: dict[str, tuple[str, str]], client_context: ClientContext) -> None:
    """Write the file. If it cannot be written, STS is asked again the next time."""
    folder = client_context.cache.folder.parent
    beside = folder / f".{_NAME}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(dict(list(known.items())[-_MOST:]), file)
        replace_file(beside, folder / _NAME)
    except OSError:
        return
