"""The conditions under which the JSON services answer.

* The operator can switch them off (`sign_in_api`).
* While no identity provider is registered, a person cannot approve a sign-in. Operations that would reveal that to
  anyone are served all the same.
"""

from daypass.directory import records
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.loader_marks import keeps_little
from daypass.directory.store import Reader
from daypass.errors import AccessDenied
from daypass.operations.oidc_clients import listed_clients
from daypass.operations.request_context import RequestContext

_OFF = "The sign-in API of this server is switched off."
_NO_PROVIDER = "No identity provider is registered on this server yet."


def require_open_api(ctx: RequestContext, *, needs_provider: bool) -> None:
    """Raise AccessDenied if the services are off, or lack a needed provider."""
    if not ctx.settings.sign_in_api:
        raise AccessDenied(_OFF)
    if needs_provider and not (ctx.views.get(_has_saml_provider) or listed_clients(ctx)):
        raise AccessDenied(_NO_PROVIDER)


@keeps_little
def _has_saml_provider(reader: Reader) -> bool:
    return bool(records.page(reader, SamlProvider, None, limit=1))
