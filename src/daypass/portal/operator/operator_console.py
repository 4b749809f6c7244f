"""The routes of the operator console, and its refusals.

Owns the addresses of the pages and forms. A browser without an operator session is led to the entrance, a refusal has
its own heading. A client that requests JSON gets the error itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from daypass.errors import ExpiredTokenException, Fault
from daypass.federation.oidc.identify import KeysNeededError
from daypass.portal import pages
from daypass.portal.operator.operator_entry import OperatorEntry
from daypass.portal.operator.operator_pages import OperatorPages
from daypass.portal.operator.operator_people import PeoplePages
from daypass.portal.operator.operator_providers import ProviderPages
from daypass.portal.operator.operator_roles import RoleSessions
from daypass.portal.operator.operator_sessions import NotEnteredError

Step = Callable[[Request, Mapping[str, str], str], Response]

_SMALL = 16_384
# Each of 100 client IDs has at most 255 characters, escaped.
_LISTS = 131_072
# With escaped markup. A larger document needs the API, whose memory for bodies is limited as a whole.
_METADATA = 1_000_000
_HEADINGS: Mapping[str, str] = {
    "DeleteConflict": "It is still in use",
    "EntityAlreadyExists": "It exists already",
    "InvalidInput": "Check the values",
    "LimitExceeded": "A quota is reached",
    "ValidationError": "Check the values",
    "AccessDenied": "You do not have this permission",
    "ExpiredTokenException": "Your session has expired",
    "InternalFailure": "The server has an error",
    "NoSuchEntity": "Not found",
    "ServiceUnavailable": "Not available now",
    "Throttling": "Too many requests",
}
_OTHER = "The request was not accepted"


@dataclass(frozen=True, slots=True)
class OperatorConsole:
    """The console: its pages and forms by address."""

    entry: OperatorEntry
    pages: OperatorPages
    people: PeoplePages
    roles: RoleSessions
    providers: ProviderPages

    def gets(self) -> tuple[tuple[str, Step], ...]:
        """Return the pages."""
        return (
            ("/operator", partial(_shown, self.entry, self.pages.overview)),
            ("/operator/enter", partial(_shown, self.entry, self.entry.show)),
            ("/operator/audit", partial(_shown, self.entry, self.pages.audit)),
            ("/operator/refusals", partial(_shown, self.entry, self.pages.refusals)),
            ("/operator/graph", partial(_shown, self.entry, self.pages.graph)),
            ("/operator/people", partial(_shown, self.entry, self.people.show)),
            ("/operator/roles", partial(_shown, self.entry, self.roles.show)),
            ("/operator/providers", partial(_shown, self.entry, self.providers.show)),
            ("/operator/providers/saml", partial(_shown, self.entry, self.providers.saml)),
            ("/operator/providers/saml/add", partial(_shown, self.entry, self.providers.add_saml)),
            ("/operator/providers/oidc", partial(_shown, self.entry, self.providers.oidc)),
            ("/operator/providers/oidc/add", partial(_shown, self.entry, self.providers.add_oidc)),
            ("/operator/providers/client", partial(_shown, self.entry, self.providers.clients.show)),
            ("/operator/providers/client/add", partial(_shown, self.entry, self.providers.clients.add)),
            ("/operator/keys", partial(_shown, self.entry, self.pages.keys)),
        )

    def posts(self) -> tuple[tuple[str, Step, int], ...]:
        """Return the forms, each with the largest size of its body."""
        return (
            ("/operator", partial(_taken, self.pages.enter), 4 * _SMALL),
            ("/operator/enter", partial(_taken, self.entry.enter), _SMALL),
            ("/operator/leave", partial(_taken, self.pages.leave), _SMALL),
            ("/operator/people/revoke", partial(_taken, self.people.revoke), _SMALL),
            ("/operator/roles/revoke", partial(_taken, self.roles.revoke), _SMALL),
            ("/operator/providers/saml", partial(_taken, self.providers.change_saml), _METADATA),
            ("/operator/providers/saml/add", partial(_taken, self.providers.create_saml), _METADATA),
            ("/operator/providers/saml/delete", partial(_taken, self.providers.delete_saml), _SMALL),
            ("/operator/providers/oidc", partial(_taken, self.providers.change_oidc), _LISTS),
            ("/operator/providers/oidc/add", partial(_taken, self.providers.create_oidc), _LISTS),
            ("/operator/providers/oidc/delete", partial(_taken, self.providers.delete_oidc), _SMALL),
            ("/operator/providers/client", partial(_taken, self.providers.clients.change), _SMALL),
            ("/operator/providers/client/add", partial(_taken, self.providers.clients.create), _SMALL),
            ("/operator/providers/client/delete", partial(_taken, self.providers.clients.delete), _SMALL),
        )


def _shown(entry: OperatorEntry, step: Step, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
    """Show a page. Lead a browser without an operator session to the entrance."""
    try:
        return step(request, fields, request_id)
    except KeysNeededError:
        raise  # The step runs again with the keys.
    except NotEnteredError as fault:
        return console_refusal(request, fault, request_id) if pages.is_json_wanted(request) else entry.lead(request)
    except Fault as fault:
        return console_refusal(request, fault, request_id)


def _taken(step: Step, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
    """Take a form. Its sender reads why it was refused."""
    try:
        return step(request, fields, request_id)
    except KeysNeededError:
        raise
    except Fault as fault:
        return console_refusal(request, fault, request_id)


def console_refusal(request: Request, fault: Fault, request_id: str) -> Response:
    """Return the page about a refusal, or the error as JSON."""
    error = {"Type": fault.blame.value, "Code": fault.code, "Message": fault.message}
    document = {"Error": error, "RequestId": request_id}
    if pages.is_json_wanted(request):
        return pages.json_answer(document, status=fault.status)
    heading = _HEADINGS.get(fault.code, _OTHER)
    entered = not isinstance(fault, ExpiredTokenException)
    values = {"it": document, "heading": heading, "entered": entered}
    return pages.page("operator_refusal.html", values, status=fault.status)
