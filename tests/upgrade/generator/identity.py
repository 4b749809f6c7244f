"""The content of the old directory: an identity file, account details, and external keys.

Owns the content that files describe. Leaves content that only calls can create to directory.py.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.tokens import SigningKey, compact

MANAGER, MEMBER, PARTNER, IMPORTED, ORIGIN = (
    "111122223333",
    "444455556666",
    "555566667777",
    "777788889999",
    "999900001111",
)
PUBLIC_URL = "https://sts.upgrade.example"
ISSUER = "issuer.upgrade.example/realms/old"
MASTER_KEY = b"upgrade test data, not a secret!".hex()
HOOK = "https://127.0.0.1:9/hook"  # an address that servers never call, without a name to resolve
SECRETS = {
    "ROOT_MANAGER": "upgrade-test-root-secret-of-the-manager1",
    "ROOT_MEMBER": "upgrade-test-root-secret-of-the-member12",
    "CI_SECRET": "upgrade-test-secret-of-the-user-named-ci",
    "OFF_SECRET": "upgrade-test-secret-that-is-inactive-now",
}
ROOTS = {MANAGER: "AKIAUPGRADE01EXAMPLE", MEMBER: "AKIAUPGRADE02EXAMPLE"}
CI_KEY, OFF_KEY = "AKIAUPGRADE03EXAMPLE", "AKIAUPGRADE04EXAMPLE"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ALL_STS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], **more: Any) -> dict[str, Any]:
    """Return a statement that denies."""
    return {"Effect": "Deny", "Action": action, "Resource": "*", **more}


def trust(action: str | list[str], **principal: Any) -> dict[str, Any]:
    """Return a trust policy."""
    return policy({"Effect": "Allow", "Principal": principal, "Action": action})


def iam_arn(kind: str, name: str, account: str = MEMBER) -> str:
    """Return an ARN of the member account."""
    return f"arn:aws:iam::{account}:{kind}/{name}"


class Keys:
    """The private keys of identity providers and issuers.

    They are for test data only.
    """

    def __init__(self) -> None:
        self.idp, self.partner_idp = make_key_pair(name="idp.upgrade.example"), make_key_pair("p-256")
        self.opens = make_key_pair(name="sts.upgrade.example")
        self.issuer = SigningKey.generate("ES256", "old-key-1")
        self.saml = SamlIdentityProvider("https://idp.upgrade.example/metadata", keys=[self.idp])
        self.lax = SamlIdentityProvider("https://lax.upgrade.example/metadata", keys=[self.partner_idp])

    @property
    def opens_publicly(self) -> RSAPublicKey:
        """Return the public key to which the provider encrypts."""
        public = self.opens.private.public_key()
        if not isinstance(public, RSAPublicKey):
            raise TypeError(public)
        return public

    @property
    def opens_id(self) -> str:
        """Return the name in files of the key that decrypts assertions."""
        public = self.opens_publicly.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(public).hexdigest()

    def token(self, now: datetime, **more: Any) -> str:
        """Return a web identity token of the issuer whose keys are pinned."""
        claims = {"iss": f"https://{ISSUER}", "sub": "repo:acme/site", "aud": "sts.amazonaws.com", **more}
        times = {"iat": int(now.timestamp()), "exp": int(now.timestamp()) + 600}
        return compact({"alg": "ES256", "typ": "JWT", "kid": self.issuer.kid}, {**claims, **times}, self.issuer)


def identity_file(keys: Keys) -> dict[str, Any]:
    """Return an identity file that uses every field of the format."""
    return {
        "version": 1,
        "name": "platform",
        "organization": {
            "units": {
                "/": {},
                "/prod": {
                    "serviceControl": {"no-groups": policy(deny("iam:CreateGroup"))},
                    "resourceControl": {
                        "no-strange-network": policy(
                            {
                                **deny("sts:AssumeRole"),
                                "Principal": "*",
                                "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
                            }
                        )
                    },
                },
                "/prod/web": {"fullAccess": True},
            }
        },
        "accounts": {
            MANAGER: {
                "name": "manager",
                "standing": "management",
                "rootAccessKey": {"id": ROOTS[MANAGER], "secretAccessKey": {"secret": "ROOT_MANAGER"}},
                "users": {"chief": {"policies": [ADMINISTRATOR]}},
            },
            MEMBER: {
                "name": "member",
                "alias": "upgrade-member",
                "standing": "member",
                "rootAccessKey": {"id": ROOTS[MEMBER], "secretAccessKey": {"secret": "ROOT_MEMBER"}},
                "unit": "/prod/web",
                "serviceControl": {"no-aliases": json.dumps(policy(deny("iam:DeleteAccountAlias")))},
                "resourceControl": {
                    "no-old-network": policy(
                        {
                            **deny("sts:AssumeRoleWithSAML"),
                            "Principal": "*",
                            "Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}},
                        }
                    )
                },
                "fullAccess": True,
                "passwordPolicy": {
                    "minimumPasswordLength": 14,
                    "requireSymbols": True,
                    "requireNumbers": True,
                    "requireUppercaseCharacters": True,
                    "requireLowercaseCharacters": True,
                    "allowUsersToChangePassword": True,
                    "maxPasswordAge": 90,
                    "passwordReusePrevention": 5,
                    "hardExpiry": False,
                },
                "policies": {
                    "reader": {
                        "document": policy(allow(["iam:Get*", "iam:List*"])),
                        "path": "/data/",
                        "description": "reads what there is",
                        "tags": {"tier": "low"},
                    },
                    "edge": {"document": json.dumps(policy(allow(["iam:*", "sts:*"])))},
                },
                "groups": {
                    "staff": {"policies": ["reader"], "requireMfa": True},
                    "makers": {"path": "/eng/", "inline": {"make": policy(allow("iam:CreateUser"))}},
                },
                "users": {
                    "alice": {
                        "path": "/people/",
                        "tags": {"team": "red"},
                        "groups": ["staff", "makers"],
                        "policies": [ADMINISTRATOR],
                        "boundary": "edge",
                    },
                    "bob": {"inline": {"own": policy(allow(["sts:*", "iam:ListUsers"]))}, "requireMfa": True},
                    "ci": {
                        "inline": {"own": policy(allow(["sts:*", "iam:ListRoles", "iam:ListUsers"]))},
                        "accessKeys": {
                            CI_KEY: {"secretAccessKey": {"secret": "CI_SECRET"}},
                            OFF_KEY: {"secretAccessKey": {"secret": "OFF_SECRET"}, "status": "Inactive"},
                        },
                    },
                },
                "oidcProviders": {
                    ISSUER: {
                        "clientIds": ["sts.amazonaws.com"],
                        "thumbprints": ["0" * 40],
                        "furtherClaims": ["groups", "realm_access/roles=roles"],
                        "pinnedKeys": {"keys": [keys.issuer.jwk()]},
                        "tags": {"kind": "pinned"},
                    },
                    "token.upgrade.example": {"clientIds": ["a", "b"]},
                },
                "samlProviders": {
                    "idp": {
                        "metadata": keys.saml.metadata_xml(),
                        "encryptionMode": "Allowed",
                        "privateKeys": {keys.opens_id: {"secret": "IDP_KEY"}},
                        "tags": {"kind": "workforce"},
                    },
                    "lax": {
                        "metadata": keys.lax.metadata_xml(valid_until=datetime(2090, 1, 1, tzinfo=UTC)),
                        "lax": True,
                        "allowSha1": True,
                    },
                },
                "roles": {
                    "deploy": {
                        "trust": trust(ALL_STS, AWS=[iam_arn("user", "ci"), iam_arn("user", "people/alice")]),
                        "path": "/ops/",
                        "description": "deploys",
                        "maxSessionDuration": 43200,
                        "tags": {"team": "blue"},
                        "policies": ["reader"],
                        "inline": {
                            "own": policy(allow(["sts:*", "iam:*DelegationRequest*", "iam:SendDelegationToken"]))
                        },
                        "boundary": ADMINISTRATOR,
                    },
                    "second": {
                        "trust": trust(ALL_STS, AWS=[iam_arn("role", "ops/deploy"), "arn:aws:iam::123123123123:root"]),
                        "inline": {"own": policy(allow("iam:ListUsers"))},
                        "strangers": ["arn:aws:iam::123123123123:root"],
                    },
                    "people": {
                        "trust": trust(
                            ["sts:AssumeRoleWithSAML", "sts:TagSession"], Federated=iam_arn("saml-provider", "idp")
                        ),
                        "policies": ["reader"],
                    },
                    "people-too": {
                        "trust": trust("sts:AssumeRoleWithSAML", Federated=iam_arn("saml-provider", "idp")),
                    },
                    "pipeline": {
                        "trust": policy(
                            {
                                "Effect": "Allow",
                                "Principal": {"Federated": iam_arn("oidc-provider", ISSUER)},
                                "Action": "sts:AssumeRoleWithWebIdentity",
                                "Condition": {"StringEquals": {f"{ISSUER}:sub": "repo:acme/site"}},
                            }
                        ),
                        "inline": {"own": policy(allow("iam:ListRoles"))},
                    },
                },
            },
        },
    }


def account_details() -> dict[str, Any]:
    """Return account details in the form of `aws iam get-account-authorization-details`."""
    old = {"CreateDate": "2024-01-01T00:00:00Z", "Path": "/", "Tags": []}
    mine = f"arn:aws:iam::{ORIGIN}"
    reads = policy(allow("s3:Get*"))
    version = {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": old["CreateDate"], "Document": reads}
    attached = [{"PolicyName": "reads", "PolicyArn": f"{mine}:policy/reads"}]
    return {
        "UserDetailList": [
            {
                **old,
                "UserName": "carol",
                "UserId": "AIDACAROL00000000000",
                "Arn": f"{mine}:user/carol",
                "GroupList": ["readers"],
                "AttachedManagedPolicies": [],
                "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": policy(allow("sts:AssumeRole"))}],
            }
        ],
        "GroupDetailList": [
            {
                **old,
                "GroupName": "readers",
                "GroupId": "AGPAREADERS000000000",
                "Arn": f"{mine}:group/readers",
                "GroupPolicyList": [],
                "AttachedManagedPolicies": attached,
            }
        ],
        "RoleDetailList": [
            {
                **old,
                "RoleName": "visitor",
                "RoleId": "AROAVISITOR000000000",
                "Arn": f"{mine}:role/visitor",
                "AssumeRolePolicyDocument": trust("sts:AssumeRole", AWS="arn:aws:iam::123123123124:root"),
                "InstanceProfileList": [],
                "RolePolicyList": [],
                "AttachedManagedPolicies": attached,
                "RoleLastUsed": {},
            }
        ],
        "Policies": [
            {
                **old,
                "PolicyName": "reads",
                "PolicyId": "ANPAREADS00000000000",
                "Arn": f"{mine}:policy/reads",
                "DefaultVersionId": "v1",
                "PolicyVersionList": [version],
            }
        ],
    }
