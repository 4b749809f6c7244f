"""The person of a sign-in, in the words of the audit log.

Owns which provider an event names: the one whose trust policies the roles of the person name.
"""

from daypass.audit.user_identity import UserIdentity, identity_of_person
from daypass.directory.entities.sign_in_entities import SignInSession


def person_of(session: SignInSession) -> UserIdentity:
    """Return the person of a sign-in session, as an event names the caller."""
    provider = session.provider if session.kind == "saml" else session.registration
    return identity_of_person(session.kind, session.subject, provider, session.account)
