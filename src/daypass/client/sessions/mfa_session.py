"""One session with MFA for all roles of a source.

Owns the choice between a session (GetSessionToken with the code, kept like every session) and a code for a single role,
and what happens if a role wants a newer code than the session's.
Source: IAM User Guide, "Secure API access with MFA": a condition on aws:MultiFactorAuthAge counts from the code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from daypass.client.credential_request import CredentialRequest
from daypass.client.credentials import Credentials
from daypass.client.problems import RefusedError, SignInNeededError
from daypass.client.prompt import Prompt
from daypass.client.sessions.cache import CachedCredentials
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.source_keys import long_term_key

T = TypeVar("T")
Obtain = Callable[[CredentialRequest, ClientContext], CachedCredentials]

FOR_ONE_ROLE = "the source's credentials cannot get a session with MFA, so the code counts for this role alone."
# With a code as new as this, age is not the reason of a refusal.
_NEW = timedelta(minutes=1)


def has_mfa_session(request: CredentialRequest, client_context: ClientContext) -> bool:
    """Return whether the source can have a session that is cached.

    Only a user's own keys can: STS refuses GetSessionToken to sessions.
    """
    if not client_context.keeps or not client_context.cache.can_keep():
        return False
    return bool(long_term_key(request, client_context.profiles, client_context.environment))


def with_mfa_session(
    request: CredentialRequest,
    client_context: ClientContext,
    get_credentials: Obtain,
    use: Callable[[Credentials], T],
    use_code: Callable[[ClientContext], T],
) -> T:
    """Call `use` with the session of the source.

    It is called again with a new session if the role wants a newer code.

    The person is asked for a code only if the source has no session, or if a session older than a minute was refused
    and a new code can be had. If the source may not get a session, `use_code` uses the same code for the role.
    """
    session_request = CredentialRequest(
        "session",
        endpoint_url=request.endpoint_url,
        region=request.region,
        source_profile=request.source_profile,
        credential_source=request.credential_source,
        mfa_serial=request.mfa_serial,
        mfa_command=request.mfa_command,
    )
    # A code that was given together with --fresh is for a new session; --fresh alone is for the role.
    renews = client_context.fresh and bool(client_context.mfa_code)
    started = client_context.now()
    asking = _PromptOnce.of(client_context.prompt)
    try:
        entry = get_credentials(session_request, replace(client_context, fresh=renews, prompt=asking))
    except RefusedError:
        client_context.prompt.tell(f"daypass: {FOR_ONE_ROLE}")
        return use_code(replace(client_context, prompt=asking))
    try:
        return use(entry.credentials)
    except RefusedError as refusal:
        if entry.kept is None or entry.kept + _NEW >= started:
            raise
        minutes = round((started - entry.kept).total_seconds() / 60)
        why = f"the role was refused with the MFA code of {minutes} min ago. It may need a newer code."
        client_context.prompt.tell(f"daypass: {why}")
        try:
            entry = get_credentials(session_request, replace(client_context, fresh=True))
        except SignInNeededError:
            raise RefusedError(f"{refusal} If the role needs a newer MFA code, give one with --mfa-code.") from refusal
        return use(entry.credentials)


@dataclass(frozen=True)
class _PromptOnce(Prompt):
    """A prompt that repeats the first answer, so that a code is typed once."""

    answers: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, prompt: Prompt) -> "_PromptOnce":
        return cls(prompt.allowed)

    def ask(self, question: str, *, noun: str, instead: str, secret: bool = False) -> str:
        """Return the line that the person typed the first time."""
        if not self.answers:
            self.answers.append(super().ask(question, noun=noun, instead=instead, secret=secret))
        return self.answers[0]
