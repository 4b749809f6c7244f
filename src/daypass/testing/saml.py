"""A SAML identity provider for tests, which can sign wrongly on request.

Owns the metadata and the responses of a provider. Leaves signing and encryption to saml_forge.py. It shares no code
with the server; a response is a string, as from a remote provider.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from daypass.testing.saml_forge import DS, HONEST, Encryption, KeyPair, Signing, encrypt, make_key_pair, sign

SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
AWS_ATTRIBUTE = "https://aws.amazon.com/SAML/Attributes/"
_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-"
_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105 - a name, no password


@dataclass(frozen=True, slots=True)
class Assertion:
    """The content of an assertion.

    The defaults make an assertion that AWS accepts, except for `roles`. `roles` are `ROLE_ARN,PROVIDER_ARN`.
    `attributes` may contain any others, by full name. `audiences` is one AudienceRestriction; more of them go into
    `conditions_xml`, which is put into the Conditions unchanged.

    >>> roles = ("arn:aws:iam::123456789012:role/dev,arn:aws:iam::123456789012:saml-provider/idp",)
    >>> sorted(Assertion(roles=roles).all_attributes())[0]
    'https://aws.amazon.com/SAML/Attributes/Role'
    """

    roles: Sequence[str] = ()
    session_name: str | None = "alice"
    name_id: str = "alice@example.org"
    name_id_format: str = PERSISTENT
    recipient: str = "https://signin.aws.amazon.com/saml"
    audiences: Sequence[str] = ("urn:amazon:webservices",)
    session_duration: str | None = None
    source_identity: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive_keys: Sequence[str] = ()
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    in_response_to: str | None = None
    issuer: str | None = None
    lifetime: timedelta = timedelta(minutes=5)
    session_lifetime: timedelta | None = None
    conditions_xml: str = ""

    def all_attributes(self) -> dict[str, Sequence[str]]:
        """Return every attribute by its full name."""
        given: dict[str, Sequence[str]] = {f"{AWS_ATTRIBUTE}Role": self.roles} if self.roles else {}
        single = {
            "RoleSessionName": self.session_name,
            "SessionDuration": self.session_duration,
            "SourceIdentity": self.source_identity,
        }
        given |= {f"{AWS_ATTRIBUTE}{name}": [value] for name, value in single.items() if value is not None}
        given |= {f"{AWS_ATTRIBUTE}PrincipalTag:{key}": [value] for key, value in self.tags.items()}
        if self.transitive_keys:
            given[f"{AWS_ATTRIBUTE}TransitiveTagKeys"] = self.transitive_keys
        return given | dict(self.attributes)


class SamlIdentityProvider:
    """An identity provider with an entity ID and keys.

    The newest key signs; the metadata contains all of them.

    >>> idp = SamlIdentityProvider("https://idp.example.org")
    >>> "https://idp.example.org" in idp.metadata_xml()
    True
    >>> roles = ("arn:aws:iam::123456789012:role/dev,arn:aws:iam::123456789012:saml-provider/idp",)
    >>> response = idp.response(Assertion(roles=roles), now=datetime.now(UTC))
    >>> decode(response).get("Destination")
    'https://signin.aws.amazon.com/saml'
    """

    def __init__(self, entity_id: str = "https://idp.example.org", *, keys: Sequence[KeyPair] = ()) -> None:
        self.entity_id = entity_id
        self.keys = list(keys) or [make_key_pair()]

    @property
    def key(self) -> KeyPair:
        """Return the key that signs."""
        return self.keys[-1]

    def rotate(self, key: KeyPair | None = None) -> KeyPair:
        """Sign with another key from now on.

        The former key stays in the metadata until `retire`.
        """
        self.keys.append(key or make_key_pair())
        return self.key

    def retire(self) -> None:
        """Remove every key except the newest from the metadata."""
        self.keys = self.keys[-1:]

    def metadata_xml(self, *, valid_until: datetime | None = None, use: str | None = "signing") -> str:
        """Return the metadata document for CreateSAMLProvider."""
        until = f' validUntil="{instant(valid_until)}"' if valid_until else ""
        marked = f' use="{use}"' if use else ""
        descriptors = "".join(
            f'<md:KeyDescriptor{marked}><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data>'
            f"<ds:X509Certificate>{key.encoded}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            for key in self.keys
        )
        location = quoteattr(f"{self.entity_id}/sso")
        services = "".join(
            f'<md:SingleSignOnService Binding="{_BINDING}{binding}" Location={location}/>'
            for binding in ("Redirect", "POST")
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
            f"entityID={quoteattr(self.entity_id)}{until}>"
            f'<md:IDPSSODescriptor protocolSupportEnumeration="{SAMLP}">{descriptors}'
            f"<md:NameIDFormat>{PERSISTENT}</md:NameIDFormat>{services}"
            "</md:IDPSSODescriptor></md:EntityDescriptor>\n"
        )

    def response(
        self,
        assertion: Assertion,
        *,
        now: datetime,
        signed: str = "assertion",
        how: Signing = HONEST,
        encryption: Encryption | None = None,
    ) -> str:
        """Return a base64 SAMLResponse.

        `signed` is `assertion`, `response`, `both` or `none`.
        """
        root = self.unsigned_response(assertion, now=now)
        self.seal(root, signed=signed, how=how, encryption=encryption)
        return encode(root)

    def seal(
        self,
        root: etree._Element,
        *,
        signed: str,
        how: Signing = HONEST,
        encryption: Encryption | None = None,
    ) -> None:
        """Sign the assertion, encrypt it, and sign the response."""
        inner = root.find(f"{{{SAML}}}Assertion")
        if inner is not None and signed in {"assertion", "both"}:
            sign(inner, self.key, how)
        if inner is not None and encryption is not None:
            root.replace(inner, encrypt(etree.tostring(inner, with_tail=False), encryption))
        if signed in {"response", "both"}:
            sign(root, self.key, how)

    def unsigned_response(self, assertion: Assertion, *, now: datetime) -> etree._Element:
        """Return the tree of an unsigned Response, to change before `seal`."""
        answers = f" InResponseTo={quoteattr(assertion.in_response_to)}" if assertion.in_response_to else ""
        return etree.fromstring(
            f'<samlp:Response xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="{_identifier()}" Version="2.0" '
            f'IssueInstant="{instant(now)}" Destination={quoteattr(assertion.recipient)}{answers}>'
            f"<saml:Issuer>{escape(self.entity_id)}</saml:Issuer>"
            f'<samlp:Status><samlp:StatusCode Value="{_SUCCESS}"/></samlp:Status>'
            f"{self._assertion(assertion, now)}</samlp:Response>"
        )

    def failure(self, *, now: datetime, status: str = "urn:oasis:names:tc:SAML:2.0:status:Responder") -> str:
        """Return the Response of a failed authentication."""
        return encode(
            etree.fromstring(
                f'<samlp:Response xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="{_identifier()}" '
                f'Version="2.0" IssueInstant="{instant(now)}"><saml:Issuer>{escape(self.entity_id)}'
                f"</saml:Issuer><samlp:Status><samlp:StatusCode Value={quoteattr(status)}/></samlp:Status>"
                "</samlp:Response>"
            )
        )

    def _assertion(self, assertion: Assertion, now: datetime) -> str:
        ends = instant(now + assertion.lifetime)
        answers = f" InResponseTo={quoteattr(assertion.in_response_to)}" if assertion.in_response_to else ""
        session = ""
        if assertion.session_lifetime is not None:
            session = f' SessionNotOnOrAfter="{instant(now + assertion.session_lifetime)}"'
        issuer = self.entity_id if assertion.issuer is None else assertion.issuer
        audiences = "".join(f"<saml:Audience>{escape(each)}</saml:Audience>" for each in assertion.audiences)
        restriction = f"<saml:AudienceRestriction>{audiences}</saml:AudienceRestriction>" if audiences else ""
        return (
            f'<saml:Assertion xmlns:xs="http://www.w3.org/2001/XMLSchema" '
            f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="{_identifier()}" Version="2.0" '
            f'IssueInstant="{instant(now)}"><saml:Issuer>{escape(issuer)}</saml:Issuer>'
            f"<saml:Subject><saml:NameID Format={quoteattr(assertion.name_id_format)}>"
            f"{escape(assertion.name_id)}</saml:NameID>"
            '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml:SubjectConfirmationData NotOnOrAfter="{ends}" '
            f"Recipient={quoteattr(assertion.recipient)}{answers}/>"
            "</saml:SubjectConfirmation></saml:Subject>"
            f'<saml:Conditions NotBefore="{instant(now - timedelta(seconds=30))}" NotOnOrAfter="{ends}">'
            f"{restriction}{assertion.conditions_xml}</saml:Conditions>"
            f'<saml:AuthnStatement AuthnInstant="{instant(now)}" SessionIndex="{_identifier()}"{session}>'
            f"<saml:AuthnContext><saml:AuthnContextClassRef>{_PASSWORD}</saml:AuthnContextClassRef>"
            f"</saml:AuthnContext></saml:AuthnStatement>{_attributes(assertion.all_attributes())}</saml:Assertion>"
        )


def _attributes(attributes: Mapping[str, Sequence[str]]) -> str:
    inner = "".join(
        f"<saml:Attribute Name={quoteattr(name)}>"
        + "".join(
            f'<saml:AttributeValue xsi:type="xs:string">{escape(value)}</saml:AttributeValue>' for value in values
        )
        + "</saml:Attribute>"
        for name, values in attributes.items()
    )
    return f"<saml:AttributeStatement>{inner}</saml:AttributeStatement>" if inner else ""


def encode(root: etree._Element | bytes) -> str:
    """Return a document in base64, for the SAMLResponse field.

    >>> encode(b"<a/>")
    'PGEvPg=='
    """
    return base64.b64encode(root if isinstance(root, bytes) else etree.tostring(root)).decode()


def decode(response: str) -> etree._Element:
    """Return the tree of a response of this provider.

    >>> decode("PGEvPg==").tag
    'a'
    """
    return etree.fromstring(base64.b64decode(response))


def instant(moment: datetime) -> str:
    """Return a time in the format of SAML.

    >>> instant(datetime(2030, 1, 1, tzinfo=UTC))
    '2030-01-01T00:00:00Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _identifier() -> str:
    return f"_{secrets.token_hex(16)}"
