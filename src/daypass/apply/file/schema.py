"""The format of the file: its fields and their shapes.

Pure. Owns the tables, which are the parser and the source of docs/apply.schema.json (a test compares the two). A new
kind of entity is one row in ACCOUNT_SECTIONS here, in KINDS (desired.py), in ATTRIBUTES (state.py), and in the tables
of steps.py.
"""

from collections.abc import Mapping
from typing import Any

from daypass.apply.file.issuer_terms import ExtraClaims, PinnedKeys
from daypass.apply.file.propagation_terms import ContextProviderShape
from daypass.apply.file.shapes import (
    ChoiceShape,
    Field,
    Fields,
    Flag,
    ListOf,
    MapOf,
    PolicyDocument,
    SecretShape,
    StringShape,
    Whole,
)

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

_ACCOUNT_ID = StringShape("an account id of twelve digits", r"[0-9]{12}", 12, digits=True)
_NAME = StringShape("a name", r"[A-Za-z0-9_+=,.@-]{1,128}", 128)
_TAG_NAME = StringShape("the key of a tag", r".{1,128}", 128)
_PATH = StringShape("a path that begins and ends with a slash", r"/|/[!-~]+/", 512)
_ARN = StringShape("an ARN", r"arn:.+", 2048)
_POLICY = StringShape(
    "the ARN of a managed policy, or the name of one of this account's", r"arn:.+|[A-Za-z0-9_+=,.@-]{1,128}", 2048
)

_ALIAS = r"(?=.{3,63}$)(?=.*[a-z-])[a-z0-9]+(?:-[a-z0-9]+)*"

_PATH_FIELD = Field(_PATH, "The path, / by default. It cannot change for a role or policy.")
_TAGS = Field(MapOf(_TAG_NAME, StringShape("the value of a tag", "", 256)), "Tags, by key.")
_ATTACHED = Field(ListOf(_POLICY), "The attached managed policies: ARNs, or names of the account's own policies.")
_INLINE = Field(MapOf(_NAME, PolicyDocument()), "Inline policies, by name.")
_BOUNDARY = Field(_POLICY, "The managed policy that is the permissions boundary.")
_REQUIRE_MFA = Field(
    Flag(),
    "Attaches AWS's documented policy. It denies everything except the management of the user's own MFA devices "
    "until the user signs in with an MFA code.",
)

POLICY = Fields(
    {
        "document": Field(PolicyDocument(), "The document of the default version.", required=True),
        "path": _PATH_FIELD,
        "description": Field(StringShape("a description", "", 1000), "A description. It cannot change."),
        "tags": _TAGS,
    }
)
GROUP = Fields({"path": _PATH_FIELD, "policies": _ATTACHED, "inline": _INLINE, "requireMfa": _REQUIRE_MFA})
ACCESS_KEY = Fields(
    {
        "secretAccessKey": Field(SecretShape(), "A reference to the secret.", required=True),
        "status": Field(ChoiceShape(("Active", "Inactive")), "Active by default."),
    }
)
USER = Fields(
    {
        "path": _PATH_FIELD,
        "tags": _TAGS,
        "groups": Field(ListOf(_NAME), "The groups of the user."),
        "policies": _ATTACHED,
        "inline": _INLINE,
        "boundary": _BOUNDARY,
        "requireMfa": _REQUIRE_MFA,
        "accessKeys": Field(
            MapOf(StringShape("an access key id", r"AKIA[A-Z0-9]{12,124}", 128), ACCESS_KEY),
            "Long-term keys, by their ids.",
        ),
    }
)
ROLE = Fields(
    {
        "trust": Field(
            PolicyDocument(), "The trust policy with the principals that may assume the role.", required=True
        ),
        "path": _PATH_FIELD,
        "description": Field(StringShape("a description", "", 1000), "A description."),
        "maxSessionDuration": Field(Whole(3600, 43200), "The maximum session duration in seconds; an hour by default."),
        "maxSigninSessionDuration": Field(
            Whole(3600, 7776000), "The maximum age in seconds of a sign-in that `aws login` uses; no limit by default."
        ),
        "tags": _TAGS,
        "policies": _ATTACHED,
        "inline": _INLINE,
        "boundary": _BOUNDARY,
        "strangers": Field(
            ListOf(StringShape("a principal", ".+", 2048)),
            "Principals of the trust policy that do not exist here. They are stored as strings that never match.",
        ),
    }
)

OIDC_PROVIDER = Fields(
    {
        "clientIds": Field(ListOf(StringShape("a client id", ".+", 255)), "The accepted audiences."),
        "thumbprints": Field(
            ListOf(StringShape("a SHA-1 thumbprint", "[0-9a-fA-F]{40}", 40)),
            "Thumbprints of the issuer's certificates.",
        ),
        "furtherClaims": Field(
            ExtraClaims(), "All claims that become condition keys: CLAIM, PATH/TO/CLAIM or CLAIM=NAME."
        ),
        "pinnedKeys": Field(
            PinnedKeys(), "A JWK Set that replaces the issuer's published keys, or the name of a file with one."
        ),
        "contextProvider": Field(
            ContextProviderShape(), "The claims that sessions carry as condition keys: trusted identity propagation."
        ),
        "tags": _TAGS,
    }
)
SAML_PROVIDER = Fields(
    {
        "metadata": Field(StringShape("SAML metadata", "", 10_000_000), "The provider's metadata, XML.", required=True),
        "encryptionMode": Field(
            ChoiceShape(("Allowed", "Required")), "Whether assertions must be encrypted; Allowed by default."
        ),
        "privateKeys": Field(
            MapOf(StringShape("the SHA-256 of a public key in DER, in lower case", r"[0-9a-f]{64}", 64), SecretShape()),
            "At most two keys for decryption, by the SHA-256 of their public keys in DER.",
        ),
        "contextProvider": Field(
            ContextProviderShape(),
            "The attributes that sessions carry as condition keys: trusted identity propagation.",
        ),
        "lax": Field(Flag(), "Accept deviations that AWS was seen to accept. False by default."),
        "allowSha1": Field(Flag(), "Accept signatures and digests with SHA-1. False by default."),
        "label": Field(StringShape("a label", "", 64), "The provider's name on the sign-in page."),
        "logo": Field(
            StringShape("a logo", "", 16_384),
            "The logo on the sign-in page: a data: URL of an image, or a path of the server.",
        ),
        "order": Field(Whole(0, 9_999), "The place on the sign-in page: low numbers come first."),
        "tags": _TAGS,
    }
)
OIDC_CLIENT = Fields(
    {
        "issuer": Field(
            StringShape("the URL of an issuer", r"https://[!-~]{1,247}", 255),
            "The provider's issuer, as in its tokens. It cannot change.",
            required=True,
        ),
        "clientId": Field(
            StringShape("a client id", ".+", 255), "The client id at the provider. It cannot change.", required=True
        ),
        "authentication": Field(
            ChoiceShape(("client_secret_basic", "client_secret_post", "private_key_jwt", "none")),
            "The method at the token endpoint. By default, the secret as the discovery document says.",
        ),
        "secret": Field(SecretShape(), "A reference to the client secret."),
        "keyAlgorithm": Field(ChoiceShape(("ES256", "RS256")), "For new keys of private_key_jwt; ES256 by default."),
        "scopes": Field(
            ListOf(StringShape("a scope", r"[!#-\[\]-~]{1,128}", 128)),
            "The scopes beside openid; email and profile by default.",
        ),
        "responseMode": Field(
            ChoiceShape(("query", "form_post")), "How the provider returns the code. By default discovery decides."
        ),
        "label": Field(StringShape("a label", "", 64), "The provider's name on the sign-in page."),
        "logo": Field(
            StringShape("a logo", "", 16_384),
            "The logo on the sign-in page: a data: URL of an image, or a path of the server.",
        ),
        "order": Field(Whole(0, 9_999), "The place on the sign-in page: low numbers come first."),
    }
)
_BLOCK_FIELDS = ("blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets")
BUCKET = Fields(
    {
        "backend": Field(
            StringShape("the name of a backend", r"[A-Za-z0-9._-]{1,64}", 64),
            "The gateway's backend with the objects; its default one if omitted.",
        ),
        "region": Field(StringShape("a region", r"[A-Za-z0-9][A-Za-z0-9-]{0,62}", 63), "The region of the bucket."),
        "policy": Field(PolicyDocument(), "The bucket policy."),
        "publicAccessBlock": Field(
            Fields({name: Field(Flag(), "True by default.") for name in _BLOCK_FIELDS}),
            "The limits of public access. It is set as a whole.",
        ),
        "strangers": Field(
            ListOf(StringShape("a principal", ".+", 2048)),
            "Principals of the bucket policy that do not exist here. They are stored as strings that never match.",
        ),
    }
)
_UNIT = StringShape("the path of a unit, such as / or /prod/web", r"/|(?:/[^/\x00-\x1f]{1,128}){1,5}", 700)
_CONTROL_FIELDS = {
    "serviceControl": Field(
        MapOf(StringShape("a name", "", 128), PolicyDocument()), "Service control policies, by name."
    ),
    "resourceControl": Field(
        MapOf(StringShape("a name", "", 128), PolicyDocument()), "Resource control policies, by name."
    ),
    "fullAccess": Field(
        Flag(), "Whether FullAWSAccess is attached, as on every new level. Without it, add policies that allow."
    ),
}
UNIT = Fields(_CONTROL_FIELDS)
ORGANIZATION = Fields({"units": Field(MapOf(_UNIT, UNIT), "The root `/` and the units, by path.", required=True)})
ROOT_KEY = Fields(
    {
        "id": Field(
            StringShape("an access key id", r"[A-Z0-9]{16,128}", 128), "The id of the root access key.", required=True
        ),
        "secretAccessKey": Field(SecretShape(), "A reference to the secret.", required=True),
    },
)

# The sections of an account that list named entities: name of the section -> shape of its elements.
ACCOUNT_SECTIONS: Mapping[str, tuple[StringShape, Fields]] = {
    "policies": (_NAME, POLICY),
    "groups": (_NAME, GROUP),
    "users": (_NAME, USER),
    "oidcProviders": (StringShape("the URL of an issuer without https://", r"[!-~]{1,247}", 247), OIDC_PROVIDER),
    "samlProviders": (_NAME, SAML_PROVIDER),
    "oidcClients": (_NAME, OIDC_CLIENT),
    "roles": (_NAME, ROLE),
    "buckets": (StringShape("the name of a bucket", r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", 255), BUCKET),
}

PASSWORD_POLICY = Fields(
    {
        "minimumPasswordLength": Field(Whole(6, 128), "6 by default."),
        "requireSymbols": Field(Flag(), "False by default."),
        "requireNumbers": Field(Flag(), "False by default."),
        "requireUppercaseCharacters": Field(Flag(), "False by default."),
        "requireLowercaseCharacters": Field(Flag(), "False by default."),
        "allowUsersToChangePassword": Field(Flag(), "False by default."),
        "maxPasswordAge": Field(Whole(1, 1095), "In days. Without it passwords stay valid."),
        "passwordReusePrevention": Field(Whole(1, 24), "The number of former passwords that cannot be reused."),
        "hardExpiry": Field(Flag(), "Whether an administrator must replace an expired password."),
    }
)

ACCOUNT = Fields(
    {
        "name": Field(StringShape("a name", r"[^\x00-\x1f]{1,128}", 128), "A name for people."),
        "alias": Field(
            StringShape(
                "an alias (3 to 63 lower-case letters, digits and single hyphens, not digits alone)", _ALIAS, 63
            ),
            "The account's alias, unique among all accounts.",
        ),
        "passwordPolicy": Field(PASSWORD_POLICY, "The password policy, for tools that read it. It is set as a whole."),
        "standing": Field(
            ChoiceShape(("management", "member", "standalone")),
            "The role of a new account in the organization; by default a member, if there is an organization.",
        ),
        "rootAccessKey": Field(
            ROOT_KEY,
            "The root key of a new account. By default, one is generated and shown once. Used only at creation.",
        ),
        "unit": Field(_UNIT, "The account's unit in the organization."),
        **_CONTROL_FIELDS,
        **{
            section: Field(MapOf(name, fields, folded=True), f"The account's {section}, by name.")
            for section, (name, fields) in ACCOUNT_SECTIONS.items()
        },
    }
)

DOCUMENT = Fields(
    {
        "version": Field(Whole(1, 1), "The version of this format: 1.", required=True),
        "name": Field(
            StringShape("a name", r"[A-Za-z0-9._-]{1,64}", 64),
            "The name of this set, `default` by default. A file deletes only entities that files of its "
            "own name have created.",
        ),
        "organization": Field(ORGANIZATION, "The store's organization. One of the accounts is its management account."),
        "accounts": Field(MapOf(_ACCOUNT_ID, ACCOUNT), "The accounts, by id.", required=True),
    }
)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    return {
        "$schema": SCHEMA_ID,
        "title": "Daypass identity file",
        "description": "The input of `daypass apply` and the output of `daypass export`.",
        **DOCUMENT.schema(),
    }
