"""Settings of a provider that the IAM API does not have.

They are those of `daypass oidc set` and `daypass saml set`, with audit events.
"""

from typing import Any

from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.state import Thing
from daypass.apply.store.api import Api
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.saml_providers import find_provider, set_display, set_switches
from daypass.federation.oidc.issuers.operator_terms import count_pinned, set_terms
from daypass.operations.settings import LOGO_FORM, is_logo


def set_issuer_terms(thing: Thing, api: Api, attribute: str, after: Any) -> None:
    """Replace an issuer's further claims or pin its keys.

    Raises ApplyFileError.
    """
    writer, place = api.ctx.writer, thing.place_of(attribute)
    provider = records.find(writer, OidcProvider, thing.account, thing.name)
    if provider is None:
        raise ApplyFileError(place, "the provider does not exist")
    try:
        if attribute == "furtherClaims":
            new = set_terms(writer, provider, further_claims=after)
        else:
            new = set_terms(writer, provider, pinned_keys=after)
    except ValueError as error:
        raise ApplyFileError(place, str(error)) from error
    api.note(
        thing.account,
        "SetOpenIDConnectProviderTerms",
        {
            "OpenIDConnectProviderArn": new.arn,
            "FurtherClaims": list(new.further_claims),
            "PinnedKeys": count_pinned(new),
        },
    )


def set_provider_display(thing: Thing, api: Api, attribute: str, after: Any) -> None:
    """Change how the sign-in page shows a SAML provider.

    Raises ApplyFileError.
    """
    provider = find_provider(api.ctx.reader, thing.arn)
    if provider is None:
        raise ApplyFileError(thing.place_of(attribute), "the provider does not exist")
    if attribute == "logo" and after and not is_logo(after):
        raise ApplyFileError(thing.place_of(attribute), f"it must be {LOGO_FORM}")
    if attribute == "label" and not after.isprintable():
        raise ApplyFileError(thing.place_of(attribute), "it must be printable characters")
    new = set_display(api.ctx.writer, provider, **{attribute: after})
    shown = {"SAMLProviderArn": new.arn, "Label": new.label, "Order": new.order}
    api.note(thing.account, "SetSAMLProviderDisplay", shown)


def set_provider_switch(thing: Thing, api: Api, attribute: str, *, is_on: bool) -> None:
    """Relax or restore a check of SAML assertions. Raises ApplyFileError."""
    provider = find_provider(api.ctx.reader, thing.arn)
    if provider is None:
        raise ApplyFileError(thing.place_of(attribute), "the provider does not exist")
    switch = {"lax" if attribute == "lax" else "allow_sha1": is_on}
    new = set_switches(api.ctx.writer, provider, **switch)
    switches = {"SAMLProviderArn": new.arn, "Lax": new.lax, "AllowSha1": new.allow_sha1}
    api.note(thing.account, "SetSAMLProviderSwitches", switches)
