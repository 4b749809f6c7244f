"""The condition under which the JSON services answer at all.

They are closed while no identity provider is registered, because a person cannot approve a sign-in then.
"""

from daypass.directory import records
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.store import Reader
from daypass.errors import AccessDenied
from daypass.operations.request_context import RequestContext

_CLOSED = "No identity provider is registered on this server yet."


def require_provider(ctx: RequestContext) -> None:
    """Raise AccessDenied while no identity provider is registered."""
    if not ctx.views.get(_has_saml_provider):
        raise AccessDenied(_CLOSED)


def _has_saml_provider(reader: Reader) -> bool:
    return bool(records.page(reader, SamlProvider, None, limit=1))
