"""The data of a registered SAML provider that verifies its assertions.

Owns the conversion of the stored provider to federation/saml's Trust: parsed metadata and opened private keys are
cached until the provider changes.
"""

from dataclasses import replace

from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.loader_marks import keeps_little
from daypass.directory.saml_providers import find_provider
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader
from daypass.federation.saml.private_key import read_private_key
from daypass.federation.saml.settings import Trust
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_summaries import metadata_of


def find_trust(arn: str, ctx: RequestContext) -> Trust | None:
    """Return the requirements for assertions of the provider with this ARN.

    Returns None if the provider does not exist.
    """
    trust = ctx.views.get(load_trust, arn, ctx.vault)
    if trust is not None and ctx.settings.saml.allow_sha1:
        return replace(trust, allow_sha1=True)
    return trust


@keeps_little
def load_trust(reader: Reader, arn: str, vault: SecretBox) -> Trust | None:
    """Return a provider as it is registered, or None."""
    provider = find_provider(reader, arn)
    return None if provider is None else trust_of(provider, vault)


def trust_of(provider: SamlProvider, vault: SecretBox) -> Trust:
    """Return the requirements of a stored provider."""
    sealed = ((provider.key_name(key.id), key.sealed) for key in provider.keys)
    return Trust(
        account=provider.account,
        provider_name=provider.name,
        metadata=metadata_of(provider),
        decryption_keys=tuple(read_private_key(vault.decrypt(key, bound_to=name)) for name, key in sealed),
        require_encryption=provider.encryption == "Required",
        lax_like_aws=provider.lax,
        allow_sha1=provider.allow_sha1,
        context_provider=provider.context_provider,
    )
