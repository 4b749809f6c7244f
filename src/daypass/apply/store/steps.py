"""The calls that apply one change, as tables.

Owns how a kind of entity is created, changed and deleted. Leaves the order across entities to plan_executor.py.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from daypass.apply.file.propagation_terms import as_parameters
from daypass.apply.file.state import ATTRIBUTES, Thing, document_text
from daypass.apply.plan.differences import Difference
from daypass.apply.store.access_keys import put_access_key
from daypass.apply.store.api import Api
from daypass.apply.store.bucket_records import change_bucket, create_bucket, remove_bucket
from daypass.apply.store.client_records import (
    CLIENT_ATTRIBUTES,
    change_client_setting,
    create_client,
    delete_client,
)
from daypass.apply.store.private_keys import put_private_key, remove_private_key, set_encryption_mode
from daypass.apply.store.provider_terms import set_issuer_terms, set_provider_display, set_provider_switch

WORDS: Mapping[str, str] = {
    "policy": "Policy",
    "group": "Group",
    "user": "User",
    "role": "Role",
    "oidcProvider": "OpenIDConnectProvider",
    "samlProvider": "SAMLProvider",
}
# Kind of entity -> its ARN parameter. The other kinds are identified by name.
_BY_ARN: Mapping[str, str] = {
    "policy": "PolicyArn",
    "oidcProvider": "OpenIDConnectProviderArn",
    "samlProvider": "SAMLProviderArn",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The entity of a call.

    `trust` is the trust policy or bucket policy to store, in which unresolved principals have ids.
    """

    thing: Thing
    api: Api
    trust: str = ""

    @property
    def word(self) -> str:
        """Return the word for the kind in the names of actions."""
        return WORDS[self.thing.kind]

    @property
    def named(self) -> dict[str, str]:
        """Return the parameter that identifies the entity."""
        if self.thing.kind in _BY_ARN:
            return {_BY_ARN[self.thing.kind]: self.thing.arn}
        return {f"{self.word}Name": self.thing.name}

    def call(self, action: str, attribute: str = "", **params: Any) -> dict[str, Any]:
        """Call an action on the entity.

        `{}` in the name of the action is replaced by the word for its kind.
        """
        place = self.thing.place_of(attribute)
        return self.api.call(self.thing.account, action.format(self.word), {**self.named, **params}, place)


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _create(subject: Subject, **params: Any) -> None:
    thing = subject.thing
    params = {f"{subject.word}Name": thing.name, "Path": thing.value("path"), **params}
    given = {name: value for name, value in params.items() if value not in ("", None, [])}
    subject.api.call(thing.account, f"Create{subject.word}", given, thing.place)


def _create_policy(subject: Subject) -> None:
    thing = subject.thing
    _create(
        subject,
        PolicyDocument=document_text(thing.value("document")),
        Description=thing.value("description"),
        Tags=_tag_list(thing.value("tags")),
    )


def _create_user(subject: Subject) -> None:
    thing = subject.thing
    _create(subject, PermissionsBoundary=thing.value("boundary"), Tags=_tag_list(thing.value("tags")))


def _create_role(subject: Subject) -> None:
    thing = subject.thing
    _create(
        subject,
        AssumeRolePolicyDocument=subject.trust,
        Description=thing.value("description"),
        MaxSessionDuration=thing.value("maxSessionDuration"),
        MaxSigninSessionDuration=thing.value("maxSigninSessionDuration") or None,
        PermissionsBoundary=thing.value("boundary"),
        Tags=_tag_list(thing.value("tags")),
    )


def _create_oidc_provider(subject: Subject) -> None:
    thing = subject.thing
    params = {
        "Url": f"https://{thing.name}",
        "ClientIDList": list(thing.value("clientIds")),
        "ThumbprintList": thing.value("thumbprints"),
        "Tags": _tag_list(thing.value("tags")),
    }
    subject.api.call(thing.account, "CreateOpenIDConnectProvider", params, thing.place)
    _complete(subject, "furtherClaims", "pinnedKeys", "contextProvider")


def _complete(subject: Subject, *attributes: str) -> None:
    """Set the attributes of a new entity that its Create action does not accept."""
    for attribute in attributes:
        if subject.thing.value(attribute) != ATTRIBUTES[subject.thing.kind][attribute].default:
            CHANGE[attribute](subject, subject.thing.value(attribute))


_DISPLAY = ("label", "logo", "order")


def _create_saml_provider(subject: Subject) -> None:
    thing = subject.thing
    params = {
        "Name": thing.name,
        "SAMLMetadataDocument": thing.value("metadata"),
        "Tags": _tag_list(thing.value("tags")),
    }
    subject.api.call(thing.account, "CreateSAMLProvider", params, thing.place)
    _complete(subject, "encryptionMode", "contextProvider", "lax", "allowSha1", *_DISPLAY)


# How a kind of entity is created, and the parts that its Create action sets.
CREATE: Mapping[str, Callable[[Subject], None]] = {
    "policy": _create_policy,
    "group": _create,
    "user": _create_user,
    "role": _create_role,
    "oidcProvider": _create_oidc_provider,
    "samlProvider": _create_saml_provider,
    "oidcClient": lambda subject: create_client(subject.thing, subject.api),
    "bucket": lambda subject: create_bucket(subject.thing, subject.api, subject.trust),
}
BORN_WITH: frozenset[str] = frozenset({"tags", "clientIds"})


def _new_version(subject: Subject, after: Any) -> None:
    """Create a version and make it the default.

    At the maximum, the oldest version that is not the default is deleted.
    """
    versions = subject.call("ListPolicyVersions")["Versions"]
    if len(versions) >= subject.api.ctx.settings.quotas.policy_versions:
        oldest = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
        if oldest:
            subject.call("DeletePolicyVersion", VersionId=oldest[-1])
    subject.call("CreatePolicyVersion", "document", PolicyDocument=document_text(after), SetAsDefault=True)


def _set_boundary(subject: Subject, after: Any) -> None:
    if after:
        subject.call("Put{}PermissionsBoundary", "boundary", PermissionsBoundary=after)
    else:
        subject.call("Delete{}PermissionsBoundary", "boundary")


def _set_context_provider(subject: Subject, after: Any) -> None:
    change = {"RemoveContextProvider": True} if after is None else {"ContextProvider": as_parameters(after)}
    subject.call("Update{}", "contextProvider", **change)


def _set_signin_duration(subject: Subject, after: Any) -> None:
    changed = {"MaxSigninSessionDuration": after} if after else {"ResetMaxSigninSessionDuration": True}
    subject.call("UpdateRole", "maxSigninSessionDuration", **changed)


def _change_bucket(attribute: str, subject: Subject, after: Any) -> None:
    change_bucket(subject.thing, subject.api, attribute, subject.trust if attribute == "policy" else after)


def _change_client(attribute: str, subject: Subject, after: Any) -> None:
    change_client_setting(subject.thing, subject.api, attribute, after)


def _change_display(attribute: str, subject: Subject, after: Any) -> None:
    """Change the place of a provider on the sign-in page: of a SAML provider or a client."""
    change = set_provider_display if subject.thing.kind == "samlProvider" else change_client_setting
    change(subject.thing, subject.api, attribute, after)


# How a value changes: (attribute, the change).
CHANGE: Mapping[str, Callable[[Subject, Any], object]] = {
    "path": lambda subject, after: subject.call("Update{}", "path", NewPath=after),
    "document": _new_version,
    "description": lambda subject, after: subject.call("UpdateRole", "description", Description=after),
    "maxSessionDuration": lambda subject, after: subject.call(
        "UpdateRole", "maxSessionDuration", MaxSessionDuration=after
    ),
    "maxSigninSessionDuration": _set_signin_duration,
    "trust": lambda subject, _: subject.call("UpdateAssumeRolePolicy", "trust", PolicyDocument=subject.trust),
    "boundary": _set_boundary,
    "thumbprints": lambda subject, after: subject.call(
        "UpdateOpenIDConnectProviderThumbprint", "thumbprints", ThumbprintList=after
    ),
    "furtherClaims": lambda subject, after: set_issuer_terms(subject.thing, subject.api, "furtherClaims", after),
    "pinnedKeys": lambda subject, after: set_issuer_terms(subject.thing, subject.api, "pinnedKeys", after),
    "contextProvider": _set_context_provider,
    "metadata": lambda subject, after: subject.call("UpdateSAMLProvider", "metadata", SAMLMetadataDocument=after),
    "encryptionMode": lambda subject, after: set_encryption_mode(subject.thing, subject.api, after),
    "lax": lambda subject, after: set_provider_switch(subject.thing, subject.api, "lax", is_on=after),
    "allowSha1": lambda subject, after: set_provider_switch(subject.thing, subject.api, "allowSha1", is_on=after),
    **{
        attribute: partial(_change_bucket, attribute)
        for attribute in ("backend", "region", "policy", "publicAccessBlock")
    },
    **{attribute: partial(_change_client, attribute) for attribute in CLIENT_ATTRIBUTES},
    **{attribute: partial(_change_display, attribute) for attribute in _DISPLAY},
}


@dataclass(frozen=True, slots=True)
class Parts:
    """How a part is added or changed, and how it is removed."""

    put: Callable[[Subject, Difference], object]
    remove: Callable[[Subject, Difference], object]


PARTS: Mapping[str, Parts] = {
    "tags": Parts(
        lambda subject, part: subject.call("Tag{}", "tags", Tags=[{"Key": part.part, "Value": part.after}]),
        lambda subject, part: subject.call("Untag{}", "tags", TagKeys=[part.part]),
    ),
    "groups": Parts(
        lambda subject, part: subject.call("AddUserToGroup", "groups", GroupName=part.part),
        lambda subject, part: subject.call("RemoveUserFromGroup", "groups", GroupName=part.part),
    ),
    "policies": Parts(
        lambda subject, part: subject.call("Attach{}Policy", "policies", PolicyArn=part.part),
        lambda subject, part: subject.call("Detach{}Policy", "policies", PolicyArn=part.part),
    ),
    "inline": Parts(
        lambda subject, part: subject.call(
            "Put{}Policy", "inline", PolicyName=part.part, PolicyDocument=document_text(part.after)
        ),
        lambda subject, part: subject.call("Delete{}Policy", "inline", PolicyName=part.part),
    ),
    "clientIds": Parts(
        lambda subject, part: subject.call("AddClientIDToOpenIDConnectProvider", "clientIds", ClientID=part.part),
        lambda subject, part: subject.call("RemoveClientIDFromOpenIDConnectProvider", "clientIds", ClientID=part.part),
    ),
    "privateKeys": Parts(
        lambda subject, part: put_private_key(subject.thing, part, subject.api),
        lambda subject, part: remove_private_key(subject.thing, part, subject.api),
    ),
    "accessKeys": Parts(
        lambda subject, part: put_access_key(subject.thing, part, subject.api),
        lambda subject, part: subject.call("DeleteAccessKey", "accessKeys", AccessKeyId=part.part),
    ),
}


def _each(subject: Subject, action: str, member: str, **params: Any) -> Iterator[Any]:
    """Return all elements of a list action, page after page."""
    marker: dict[str, str] = {}
    while True:
        answer = subject.call(action, **params, **marker)
        yield from answer[member]
        if not answer.get("IsTruncated"):
            return
        marker = {"Marker": answer["Marker"]}


def _remove_each(subject: Subject, listing: str, member: str, removal: str, name: str) -> None:
    """Call an action for each element of a list, with the element's name as its parameter."""
    for element in list(_each(subject, listing, member)):
        subject.call(removal, **{name: element[name]})


def _strip(subject: Subject) -> None:
    _remove_each(subject, "ListAttached{}Policies", "AttachedPolicies", "Detach{}Policy", "PolicyArn")
    for name in list(_each(subject, "List{}Policies", "PolicyNames")):
        subject.call("Delete{}Policy", PolicyName=name)


def _delete_policy(subject: Subject) -> None:
    for version in list(_each(subject, "ListPolicyVersions", "Versions")):
        if not version["IsDefaultVersion"]:
            subject.call("DeletePolicyVersion", VersionId=version["VersionId"])
    subject.call("DeletePolicy")


def _delete_group(subject: Subject) -> None:
    _remove_each(subject, "GetGroup", "Users", "RemoveUserFromGroup", "UserName")
    _strip(subject)
    subject.call("DeleteGroup")


def _delete_user(subject: Subject) -> None:
    _remove_each(subject, "ListAccessKeys", "AccessKeyMetadata", "DeleteAccessKey", "AccessKeyId")
    for device in list(_each(subject, "ListMFADevices", "MFADevices")):
        serial = device["SerialNumber"]
        subject.call("DeactivateMFADevice", SerialNumber=serial)
        if serial.startswith("arn:"):
            subject.api.call(
                subject.thing.account, "DeleteVirtualMFADevice", {"SerialNumber": serial}, subject.thing.place
            )
    _remove_each(subject, "ListGroupsForUser", "Groups", "RemoveUserFromGroup", "GroupName")
    _strip(subject)
    subject.call("DeleteUser")


def _delete_role(subject: Subject) -> None:
    profiles, removal = "InstanceProfiles", "RemoveRoleFromInstanceProfile"
    _remove_each(subject, "ListInstanceProfilesForRole", profiles, removal, "InstanceProfileName")
    _strip(subject)
    subject.call("DeleteRole")


# How an entity is emptied and deleted.
DELETE: Mapping[str, Callable[[Subject], object]] = {
    "policy": _delete_policy,
    "group": _delete_group,
    "user": _delete_user,
    "role": _delete_role,
    "oidcProvider": lambda subject: subject.call("DeleteOpenIDConnectProvider"),
    "samlProvider": lambda subject: subject.call("DeleteSAMLProvider"),
    "oidcClient": lambda subject: delete_client(subject.thing, subject.api),
    "bucket": lambda subject: remove_bucket(subject.thing, subject.api),
}
