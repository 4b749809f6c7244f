"""Describe Daypass to identity providers, as a SAML service provider.

Owns /saml/metadata.xml. It requests signed assertions, a persistent name, and the two attributes without which a user
cannot get a role, and contains the certificates of the keys that sign our requests.
Rules: SAML metadata 2.0, 2.4.1.1 and 2.4.4.
"""

import base64
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from daypass.federation.saml.attributes import AWS
from daypass.federation.saml.xml_names import DS, MD, NAME_ID_FORMAT, SAMLP

_POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
_WANTED = ("Role", "RoleSessionName")


def describe_service_provider(*, entity_id: str, consumers: Sequence[str], certificates: Sequence[bytes]) -> str:
    """Return the metadata of a service provider.

    The first of its `consumers` is the default URL for responses. `certificates` of the request keys are in DER, the
    current one first.
    """
    # Some providers keep the first key (WSO2), others the last (Keycloak): list the current one twice.
    named = [*certificates, *(certificates[:1] if len(certificates) > 1 else ())]
    keys = "".join(
        f'<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>'
        f"{base64.b64encode(certificate).decode()}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for certificate in named
    )
    services = "".join(
        f'<md:AssertionConsumerService Binding="{_POST}" Location={quoteattr(address)} index="{index}"'
        f"{' isDefault=' + quoteattr('true') if index == 0 else ''}/>"
        for index, address in enumerate(consumers)
    )
    attributes = "".join(
        f'<md:RequestedAttribute Name="{AWS}{name}" NameFormat="{_URI}" FriendlyName="{name}" isRequired="true"/>'
        for name in _WANTED
    )
    formats = "".join(
        f"<md:NameIDFormat>{NAME_ID_FORMAT}{name}</md:NameIDFormat>" for name in ("persistent", "transient")
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<md:EntityDescriptor xmlns:md="{MD}" xmlns:ds="{DS}" '
        f'entityID={quoteattr(entity_id)}><md:SPSSODescriptor AuthnRequestsSigned="true" WantAssertionsSigned="true" '
        f'protocolSupportEnumeration="{SAMLP}">{keys}{formats}{services}'
        '<md:AttributeConsumingService index="0" isDefault="true">'
        f'<md:ServiceName xml:lang="en">Daypass</md:ServiceName>{attributes}'
        "</md:AttributeConsumingService></md:SPSSODescriptor></md:EntityDescriptor>\n"
    )
