"""What a file sets of a provider beyond the IAM API, as the operators' commands set it.

Owns the way to the functions behind `daypass oidc set`, and the audit events of it.
"""

from typing import Any

from daypass.apply.api import Api
from daypass.apply.nodes import Mistake
from daypass.apply.state import Thing
from daypass.directory import records
from daypass.directory.oidc_entities import OidcProvider
from daypass.federation.oidc.operator_terms import count_pinned, set_terms


def set_issuer_terms(thing: Thing, api: Api, attribute: str, after: Any) -> None:
    """Replace an issuer's further claims, or pin its keys. Raises Mistake."""
    writer, place = api.world.writer, thing.place_of(attribute)
    provider = records.find(writer, OidcProvider, thing.account, thing.name)
    if provider is None:
        raise Mistake(place, "the provider is gone")
    try:
        if attribute == "furtherClaims":
            new = set_terms(writer, provider, further_claims=after)
        else:
            new = set_terms(writer, provider, pinned_keys=after)
    except ValueError as error:
        raise Mistake(place, str(error)) from error
    api.note(
        thing.account,
        "SetOpenIDConnectProviderTerms",
        {
            "OpenIDConnectProviderArn": new.arn,
            "FurtherClaims": list(new.further_claims),
            "PinnedKeys": count_pinned(new),
        },
    )
