"""The known condition keys.

Owns the table of names and types. Leaves the values to authorize/context.py, the operations and federation/. Source:
IAM User Guide, "AWS global condition context keys" and "IAM and AWS STS condition context keys"; Service Authorization
Reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class KeyType(Enum):
    """The type of a key's values, as the policy simulator names it."""

    STRING = "string"
    BOOL = "boolean"
    ARN = "arn"
    DATE = "date"
    NUMERIC = "numeric"
    IP = "ip"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key: AWS's spelling of its name, its type, and its multiplicity."""

    name: str
    type: KeyType
    multivalued: bool = False


_NAMES: tuple[tuple[KeyType, bool, str], ...] = (
    (
        KeyType.STRING,
        False,
        """
        aws:PrincipalAccount aws:PrincipalOrgID aws:PrincipalServiceName aws:PrincipalType aws:userid
        aws:username aws:FederatedProvider aws:SourceIdentity aws:UserAgent aws:referer aws:RequestedRegion
        aws:ResourceAccount aws:ResourceOrgID aws:SourceAccount aws:SourceOrgID aws:SourceVpc aws:SourceVpce
        aws:CalledViaFirst aws:CalledViaLast aws:VpceAccount aws:VpceOrgID aws:Ec2InstanceSourceVpc
        aws:AssumedRoot aws:SignInSessionArn aws:ChatbotSourceArn
        aws:OriginIdentity/Subject aws:OriginIdentity/SubjectType aws:OriginIdentity/Issuer
        sts:ExternalId sts:RoleSessionName sts:SourceIdentity sts:AWSServiceName sts:SigningAlgorithm sts:SubjectMode
        iam:AWSServiceName iam:FIDO-FIPS-140-2-certification iam:FIDO-FIPS-140-3-certification
        iam:FIDO-certification iam:OrganizationsPolicyId iam:PassedToService iam:RegisterSecurityKey
        iam:ServiceSpecificCredentialServiceName
        saml:aud saml:doc saml:iss saml:namequalifier saml:sub saml:sub_type
        saml:commonName saml:givenName saml:mail saml:name saml:organizationStatus saml:primaryGroupSID
        saml:surname saml:uid saml:x500UniqueIdentifier saml:edupersonprimaryaffiliation
        saml:edupersonprimaryorgunitdn saml:edupersonprincipalname
        """,
    ),
    (
        KeyType.STRING,
        True,
        """
        aws:CalledVia aws:PrincipalOrgPaths aws:PrincipalServiceNamesList aws:TagKeys aws:ResourceOrgPaths
        aws:SourceOrgPaths aws:VpceOrgPaths sts:TransitiveTagKeys sts:IdentityTokenAudience
        sts:IdentityTokenScope iam:RequestIdentityProviderIssuers iam:ResourceIdentityProviderIssuers
        saml:cn saml:eduorghomepageuri saml:eduorgidentityauthnpolicyuri saml:eduorglegalname
        saml:eduorgsuperioruri saml:eduorgwhitepagesuri saml:edupersonaffiliation saml:edupersonassurance
        saml:edupersonentitlement saml:edupersonnickname saml:edupersonorgdn saml:edupersonorgunitdn
        saml:edupersonscopedaffiliation saml:edupersontargetedid
        """,
    ),
    (
        KeyType.ARN,
        False,
        """
        aws:PrincipalArn aws:SourceArn aws:SourceVpcArn sts:TaskPolicyArn iam:AssociatedResourceArn
        iam:PermissionsBoundary iam:PolicyARN aws:OriginIdentity/FederatedProviderArn
        iam:RequestIdentityCenterInstanceArn iam:ResourceIdentityCenterInstanceArn
        """,
    ),
    (KeyType.ARN, True, "sts:RequestContextProviders"),
    (
        KeyType.BOOL,
        False,
        """
        aws:MultiFactorAuthPresent aws:PrincipalIsAWSService aws:SecureTransport aws:ViaAWSService
        aws:IsMcpServiceAction sts:RoleAuthorizedByIdp
        iam:EnableIdentityPropagation iam:EnableIdentityCenterAssociation
        """,
    ),
    (KeyType.DATE, False, "aws:CurrentTime aws:EpochTime aws:TokenIssueTime"),
    (
        KeyType.NUMERIC,
        False,
        "aws:MultiFactorAuthAge sts:DurationSeconds iam:ServiceSpecificCredentialAgeDays",
    ),
    (KeyType.IP, False, "aws:SourceIp aws:VpcSourceIp aws:Ec2InstanceSourcePrivateIPv4"),
)
KNOWN: Mapping[str, KnownKey] = MappingProxyType(
    {name.lower(): KnownKey(name, kind, several) for kind, several, names in _NAMES for name in names.split()}
)
_FAMILY_NAMES = """
aws:PrincipalTag/ aws:RequestTag/ aws:ResourceTag/ iam:ResourceTag/ sts:RequestContext/
aws:TransactionContext/IdentityProvider/
"""
_FAMILIES: Mapping[str, str] = MappingProxyType({name.lower(): name for name in _FAMILY_NAMES.split()})
PROPAGATED = ("aws:originidentity/", "aws:transactioncontext/")
"""The beginnings of keys that only a verified proof of identity sets, in lower case."""
_OWNERS = frozenset({"aws", "sts", "iam", "saml"})


def find_key(name: str) -> KnownKey | None:
    """Return the entry of a key, or None if the key is unknown.

    `amr` of a web identity may have several values.
    """
    lowered = name.lower()
    known = KNOWN.get(lowered)
    if known is not None:
        return known
    beginning = next((each for each in _FAMILIES if lowered.startswith(each) and len(lowered) > len(each)), None)
    if beginning is not None:
        return KnownKey(_FAMILIES[beginning] + name[len(beginning) :], KeyType.STRING)
    if is_foreign(name):
        return KnownKey(name, KeyType.STRING, multivalued=lowered.endswith(":amr"))
    return None


def is_foreign(name: str) -> bool:
    """Return whether the key belongs to an issuer or another service.

    Their complete list is not known here.
    """
    return name.partition(":")[0].lower() not in _OWNERS
