"""Formats of real providers: prefixes, layout, line breaks, types."""

import base64

import pytest
from lxml import etree
from tests.federation.saml.attack import SAML, child
from tests.federation.saml.conftest import NOW, PROVIDER, ROLE, World

from daypass.testing.saml import encode, instant
from daypass.testing.saml_forge import DS, Signing, sign

_SAML, _SAMLP = "urn:oasis:names:tc:SAML:2.0:assertion", "urn:oasis:names:tc:SAML:2.0:protocol"
_XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_AWS = "https://aws.amazon.com/SAML/Attributes/"
_TIMES = {
    "now": instant(NOW),
    "milli": NOW.strftime("%Y-%m-%dT%H:%M:%S.123Z"),
    "end": "2026-03-01T12:05:00Z",
    "later": "2026-03-01T20:00:00.000Z",
}
_IDP, _ACS, _AUDIENCE = "https://idp.example.org", "https://signin.aws.amazon.com/saml", "urn:amazon:webservices"
_PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"


def _okta() -> str:
    """Prefixes saml2 and saml2p, declared locally.

    The prefix xs is declared on the assertion. Times have milliseconds.
    """
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><saml2p:Response xmlns:saml2p="{_SAMLP}" Destination="{_ACS}" '
        f'ID="id8371" IssueInstant="{_TIMES["milli"]}" Version="2.0" {_XS}><saml2:Issuer xmlns:saml2="{_SAML}" '
        f'Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{_IDP}</saml2:Issuer><saml2p:Status '
        f'xmlns:saml2p="{_SAMLP}"><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>'
        f'</saml2p:Status><saml2:Assertion xmlns:saml2="{_SAML}" ID="id8372" IssueInstant="{_TIMES["milli"]}" '
        f'Version="2.0" {_XS}><saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity" '
        f'xmlns:saml2="{_SAML}">{_IDP}</saml2:Issuer><saml2:Subject xmlns:saml2="{_SAML}"><saml2:NameID '
        f'Format="{_PERSISTENT}">alice</saml2:NameID><saml2:SubjectConfirmation '
        'Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData '
        f'NotOnOrAfter="{_TIMES["end"]}" Recipient="{_ACS}"/></saml2:SubjectConfirmation></saml2:Subject>'
        f'<saml2:Conditions NotBefore="{_TIMES["milli"]}" NotOnOrAfter="{_TIMES["end"]}" xmlns:saml2="{_SAML}">'
        f"<saml2:AudienceRestriction><saml2:Audience>{_AUDIENCE}</saml2:Audience></saml2:AudienceRestriction>"
        f'</saml2:Conditions><saml2:AuthnStatement AuthnInstant="{_TIMES["milli"]}" SessionIndex="id1" '
        f'xmlns:saml2="{_SAML}"><saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:'
        "PasswordProtectedTransport</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement>"
        f'<saml2:AttributeStatement xmlns:saml2="{_SAML}"><saml2:Attribute Name="{_AWS}Role" '
        'NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml2:AttributeValue '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:type="xs:string">{PROVIDER},{ROLE}</saml2:AttributeValue></saml2:Attribute><saml2:Attribute '
        f'Name="{_AWS}RoleSessionName" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic">'
        f'<saml2:AttributeValue xsi:type="xs:string">alice@example.org</saml2:AttributeValue></saml2:Attribute>'
        "</saml2:AttributeStatement></saml2:Assertion></saml2p:Response>"
    )


def _adfs() -> str:
    """Default namespaces without prefixes, no types, an end of the session."""
    return (
        f'<samlp:Response ID="_a1" Version="2.0" IssueInstant="{_TIMES["milli"]}" Destination="{_ACS}" '
        f'Consent="urn:oasis:names:tc:SAML:2.0:consent:unspecified" xmlns:samlp="{_SAMLP}"><Issuer xmlns="{_SAML}">'
        f'{_IDP}</Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success" />'
        f'</samlp:Status><Assertion ID="_a2" IssueInstant="{_TIMES["milli"]}" Version="2.0" xmlns="{_SAML}"><Issuer>'
        f'{_IDP}</Issuer><Subject><NameID Format="{_PERSISTENT}">EXAMPLE\\alice</NameID><SubjectConfirmation '
        'Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData '
        f'NotOnOrAfter="{_TIMES["end"]}" Recipient="{_ACS}" /></SubjectConfirmation></Subject><Conditions '
        f'NotBefore="{_TIMES["milli"]}" NotOnOrAfter="{_TIMES["end"]}"><AudienceRestriction><Audience>{_AUDIENCE}'
        f'</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="{_AWS}RoleSessionName">'
        f'<AttributeValue>alice@example.org</AttributeValue></Attribute><Attribute Name="{_AWS}Role">'
        f"<AttributeValue>{PROVIDER},{ROLE}</AttributeValue></Attribute></AttributeStatement><AuthnStatement "
        f'AuthnInstant="{_TIMES["milli"]}" SessionIndex="_a2" SessionNotOnOrAfter="{_TIMES["later"]}"><AuthnContext>'
        "<AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
        "</AuthnContextClassRef></AuthnContext></AuthnStatement></Assertion></samlp:Response>"
    )


def _lasso() -> str:
    """One line, both namespaces on the root, NameID with qualifiers.

    The NotBefore of the confirmation is in the past.
    """
    return (
        f'<samlp:Response xmlns:samlp="{_SAMLP}" xmlns:saml="{_SAML}" ID="_5F0A" InResponseTo="_req" Version="2.0" '
        f'IssueInstant="{_TIMES["now"]}" Destination="{_ACS}" Consent="urn:oasis:names:tc:SAML:2.0:consent:obtained">'
        f"<saml:Issuer>{_IDP}</saml:Issuer><samlp:Status><samlp:StatusCode "
        'Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status><saml:Assertion Version="2.0" '
        f'ID="_6B1C" IssueInstant="{_TIMES["now"]}"><saml:Issuer>{_IDP}</saml:Issuer><saml:Subject><saml:NameID '
        f'NameQualifier="{_IDP}" SPNameQualifier="{_AUDIENCE}" Format="{_PERSISTENT}">alice</saml:NameID>'
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData '
        f'NotBefore="2026-03-01T11:59:00Z" NotOnOrAfter="{_TIMES["end"]}" Recipient="{_ACS}" InResponseTo="_req"/>'
        f'</saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{_TIMES["now"]}" '
        f'NotOnOrAfter="{_TIMES["end"]}"><saml:AudienceRestriction><saml:Audience>{_AUDIENCE}</saml:Audience>'
        f'</saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{_TIMES["now"]}" '
        f'SessionIndex="_6B1C" SessionNotOnOrAfter="{_TIMES["end"]}"><saml:AuthnContext><saml:AuthnContextClassRef>'
        "urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>"
        f'</saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="{_AWS}Role" '
        'NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic" FriendlyName="Role"><saml:AttributeValue>'
        f'{ROLE},{PROVIDER}</saml:AttributeValue></saml:Attribute><saml:Attribute Name="{_AWS}RoleSessionName">'
        "<saml:AttributeValue>alice@example.org</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"
        "</saml:Assertion></samlp:Response>"
    )


def _pretty() -> str:
    """Indented before signing, as template-based providers do."""
    root = etree.fromstring(_lasso())
    etree.indent(root, space="    ")
    return etree.tostring(root, encoding="unicode", xml_declaration=False)


_SHAPES = {"okta": _okta, "adfs": _adfs, "lasso": _lasso, "pretty": _pretty}
_PREFIXES = {"plain": "", "prefix-list": "xs", "prefix-list-default": "#default xs saml2"}


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("prefixes", _PREFIXES)
@pytest.mark.parametrize("layout", ["one line", "wrapped", "wrapped with carriage returns"])
def test_real_shapes_are_taken(world: World, shape: str, prefixes: str, layout: str) -> None:
    """The identity is the same for all prefixes and line breaks."""
    root = etree.fromstring(_SHAPES[shape]().encode())
    how = Signing(prefixes=_PREFIXES[prefixes])
    for element in (child(root, f"{SAML}Assertion"), root):
        signature = sign(element, world.idp.key, how)
        if layout != "one line":
            _wrap(signature, "\r\n" if layout.endswith("returns") else "\n")
    identity = world.judge(root)
    assert identity.session_name == "alice@example.org"
    assert [(pair.role, pair.provider) for pair in identity.roles] == [(ROLE, PROVIDER)]


def test_white_space_after_signing_between_elements_breaks_it(world: World) -> None:
    """A proxy that indents the message changes the signed content."""
    root = world.sealed(world.unsigned())
    etree.indent(root)
    with pytest.raises(Exception, match="Response signature invalid"):
        world.judge(root)


def test_an_encrypted_assertion_brings_its_namespaces(world: World) -> None:
    """Each format can be cut out, encrypted, and read alone."""
    for make in _SHAPES.values():
        root = etree.fromstring(make().encode())
        world.idp.seal(root, signed="both", encryption=world.encryption)
        assert world.judge(encode(root)).session_name == "alice@example.org"


def _wrap(signature: etree._Element, newline: str) -> None:
    """Break base64 into lines, as most libraries do.

    A carriage return is sent as a character reference.
    """
    for name in ("SignatureValue", "KeyInfo//{http://www.w3.org/2000/09/xmldsig#}X509Certificate"):
        element = child(signature, f"{{{DS}}}{name}")
        text = base64.b64encode(base64.b64decode(str(element.text))).decode()
        element.text = newline + newline.join(text[at : at + 64] for at in range(0, len(text), 64)) + newline
