"""Find and store SAML providers, by ARN or by issuer.

Owns the link from an issuer's name to its providers, so that an unsolicited response is verified without reading every
provider of every account.
"""

import hashlib

import msgspec

from daypass.arn import Arn
from daypass.directory import records
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.store import Link, Reader, Writer
from daypass.errors import EntityAlreadyExists

ISSUER = "saml_issuer"
_KIND = "saml-provider/"


def provider_name(arn: str) -> tuple[str, str] | None:
    """Return the account and the name in a SAML provider's ARN, or None."""
    parts = Arn.find(arn)
    if parts is None or parts.service != "iam" or parts.region or not parts.resource.startswith(_KIND):
        return None
    return parts.account, parts.resource.removeprefix(_KIND)


def find_provider(reader: Reader, arn: str) -> SamlProvider | None:
    """Return the provider of exactly this ARN, or None."""
    named = provider_name(arn)
    found = None if named is None else records.find(reader, SamlProvider, *named)
    return found if found is not None and found.arn == arn else None


def load_providers_of(reader: Reader, issuer: str) -> tuple[str, ...]:
    """Return the ARNs of the providers of an issuer, in order.

    They may be of any account.
    """
    return tuple(link.target for link in reader.targets(ISSUER, _issuer_key(issuer)))


def insert_provider(writer: Writer, provider: SamlProvider) -> None:
    """Store a new provider. Raises EntityAlreadyExists if the name is taken."""
    taken = EntityAlreadyExists(f"Provider with name {provider.name} already exists.")
    records.insert_new(writer, provider, taken)
    writer.link(_issuer_link(provider))


def replace_provider(writer: Writer, old: SamlProvider, new: SamlProvider) -> None:
    """Store a changed provider."""
    records.replace(writer, new)
    if new.entity_id != old.entity_id:
        _unlink(writer, old)
        writer.link(_issuer_link(new))


def set_switches(
    writer: Writer, provider: SamlProvider, *, lax: bool | None = None, allow_sha1: bool | None = None
) -> SamlProvider:
    """Store a provider with relaxed or restored checks.

    An argument of None leaves its check unchanged.
    """
    new = msgspec.structs.replace(
        provider,
        lax=provider.lax if lax is None else lax,
        allow_sha1=provider.allow_sha1 if allow_sha1 is None else allow_sha1,
    )
    replace_provider(writer, provider, new)
    return new


def set_display(writer: Writer, provider: SamlProvider, **changed: str | int) -> SamlProvider:
    """Store a provider with another label, logo or order on the sign-in page."""
    new = msgspec.structs.replace(provider, **changed)
    replace_provider(writer, provider, new)
    return new


def delete_provider(writer: Writer, provider: SamlProvider) -> None:
    """Delete a provider.

    Roles that name it trust its assertions no longer.
    """
    records.delete(writer, provider)
    _unlink(writer, provider)


def _issuer_link(provider: SamlProvider) -> Link:
    return Link(ISSUER, _issuer_key(provider.entity_id), provider.arn)


def _unlink(writer: Writer, provider: SamlProvider) -> None:
    link = _issuer_link(provider)
    writer.unlink(link.kind, link.source, link.target)


def _issuer_key(issuer: str) -> str:
    # A name may be longer than a key of the store. The hash decides no access.
    return hashlib.sha256(issuer.encode("utf-8", "surrogatepass")).hexdigest()
