"""The convertible part of an account as a State, and the list of losses.

Pure. Owns the choices, which fail closed:

- An unreadable policy may contain a Deny, so its holder is denied everything until an operator checks it.
- An unreadable trust policy trusts no principal.
- Principals that do not exist in this store stay strings that never match.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from daypass.apply.file.nodes import ApplyFileError, FilePosition
from daypass.apply.file.propagation_terms import answered_context_provider
from daypass.apply.file.state import Key, Thing, document_text
from daypass.apply.store.order import NOBODY
from daypass.arn import Arn, account_in_arn, iam_arn, is_account_id
from daypass.counted import counted
from daypass.directory.unresolved_principals import principals_of
from daypass.errors import Fault
from daypass.importing.account_rewriter import AccountRewriter
from daypass.importing.details import Details, objects_of, read_policy, text_of
from daypass.operations.iam.policies.policy_documents import check_inline, check_trust
from daypass.policy.language.document import DocumentKind

DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
COPIES_PATH = "/aws-managed/"


@dataclass(frozen=True, slots=True)
class Omission:
    """An entity that was not converted, or was converted with changes.

    `thing` is such as `role deploy`.
    """

    thing: str
    words: str


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """The facts about the store that an import needs.

    `exists` tells whether a user or role exists. `account` is the target, `accounts` are all after the import.
    """

    account: str
    is_new: bool
    accounts: frozenset[str]
    exists: Callable[[str], bool]
    is_aws_policy: Callable[[str], bool]
    rewriter: AccountRewriter | None = None


@dataclass(slots=True)
class Conversion:
    """The result of the conversion so far."""

    target: ImportTarget
    state: dict[Key, Thing] = field(default_factory=dict)
    omissions: list[Omission] = field(default_factory=list)
    refusal: str = ""
    """The reason why the last document is not valid here, as an ending of a sentence, or an empty string."""

    arns: dict[str, str] = field(default_factory=dict)
    """The ARN of each managed policy in the file -> its ARN in this store, or an empty string if it has no equivalent.
    """

    own: frozenset[str] = frozenset()
    """The ARNs that the users and roles of the file will have, and those of the roles' sessions up to the session name.
    """

    def omit(self, thing: str, words: str) -> None:
        """Record a loss."""
        self.omissions.append(Omission(thing, words))

    def put(self, kind: str, name: str, attributes: Mapping[str, Any], **more: Any) -> bool:
        """Add an entity.

        Names that differ only in case are equal.
        """
        place = FilePosition(f"{kind} {name}")
        thing = Thing(self.target.account, kind, name, attributes, place=place, **more)
        if thing.key in self.state:
            self.omit(f"{kind} {name}", "the file has another one of this name")
            return False
        self.state[thing.key] = thing
        return True


def origin_of(details: Details) -> str:
    """Return the account that a file describes.

    Raises ApplyFileError if the file does not describe exactly one.
    """
    accounts = set()
    for one in (*details.users, *details.groups, *details.roles, *details.policies):
        arn = Arn.find(text_of(one, "Arn"))
        if arn is not None and arn.account != "aws":
            accounts.add(arn.account)
    wrong = sorted(account for account in accounts if not is_account_id(account))
    if wrong:
        raise ApplyFileError(FilePosition(), f"{wrong[0]!r} is not an account id")
    if len(accounts) != 1:
        raise ApplyFileError(
            FilePosition(), f"a file must describe exactly one account, and this one describes {len(accounts)}"
        )
    return accounts.pop()


def convert(details: Details, target: ImportTarget) -> Conversion:
    """Convert a file and return the entities and the losses."""
    conversion = Conversion(target)
    # The account's own policies first: a copy of an AWS policy takes another name on a conflict.
    for policy in sorted(details.policies, key=_is_of_aws):
        _policy(policy, conversion)
    for group in details.groups:
        conversion.put("group", text_of(group, "GroupName"), _holder(group, "group", "GroupPolicyList", conversion))
    for user in details.users:
        _user(user, conversion)
    conversion.own = frozenset(
        iam_arn(target.account, kind, text_of(one, "Path") or "/", text_of(one, f"{kind.capitalize()}Name"))
        for kind, listed in (("user", details.users), ("role", details.roles))
        for one in listed
    )
    conversion.own |= {_session_prefix(target.account, text_of(role, "RoleName")) for role in details.roles}
    for role in details.roles:
        _role(role, conversion)
    _providers(details, conversion)
    _summarize(details, conversion)
    return conversion


def _providers(details: Details, conversion: Conversion) -> None:
    for issuer in details.oidc_providers:
        url = text_of(issuer, "Url") or text_of(issuer, "Arn").partition(":oidc-provider/")[2]
        attributes = {
            "clientIds": dict.fromkeys(_texts(issuer, "ClientIDList")),
            "thumbprints": [text.lower() for text in _texts(issuer, "ThumbprintList")],
            "tags": _tags(issuer),
        }
        attributes |= _propagation(issuer, f"oidcProvider {url}", conversion)
        conversion.put("oidcProvider", url.removeprefix("https://"), attributes)
    for provider in details.saml_providers:
        name = text_of(provider, "Arn").rpartition("/")[2]
        attributes = {"metadata": text_of(provider, "SAMLMetadataDocument"), "tags": _tags(provider)}
        attributes |= _propagation(provider, f"samlProvider {name}", conversion)
        conversion.put("samlProvider", name, attributes)


def _propagation(provider: Mapping[str, Any], thing: str, conversion: Conversion) -> dict[str, Any]:
    if provider.get("IdentityCenterInstanceArn"):
        conversion.omit(thing, "its IAM Identity Center instance was not imported: Daypass has none")
    found = answered_context_provider(provider)
    return {} if found is None else {"contextProvider": found}


def _texts(one: Mapping[str, Any], name: str) -> list[str]:
    value = one.get(name)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _policy(policy: Mapping[str, Any], conversion: Conversion) -> None:
    arn, name = text_of(policy, "Arn"), text_of(policy, "PolicyName")
    if conversion.target.is_aws_policy(arn):
        conversion.arns[arn] = arn
        return
    thing = f"policy {name}"
    versions = objects_of(policy, "PolicyVersionList")
    document = _document(next((v.get("Document") for v in versions if v.get("IsDefaultVersion")), None), conversion)
    if document is None:
        conversion.arns[arn] = ""
        conversion.omit(
            thing, f"its document is not valid in Daypass{conversion.refusal}, so the policy was not imported"
        )
        return
    is_aws = _is_of_aws(policy)
    path = COPIES_PATH if is_aws else text_of(policy, "Path") or "/"
    if is_aws:
        name = _free_name(name, conversion)
        conversion.omit(thing, f"this AWS policy is not built in; it was copied to policy{path}{name} of the account")
    elif len(versions) > 1:
        conversion.omit(thing, f"not imported: {counted(len(versions) - 1, 'version')} beside the default one")
    attributes = {"path": path, "document": document, "tags": _tags(policy)}
    if text_of(policy, "Description"):
        attributes["description"] = text_of(policy, "Description")
    is_kept = conversion.put("policy", name, attributes)
    conversion.arns[arn] = iam_arn(conversion.target.account, "policy", path, name) if is_kept else ""


def _is_of_aws(policy: Mapping[str, Any]) -> bool:
    return ":iam::aws:" in text_of(policy, "Arn")


def _free_name(name: str, conversion: Conversion) -> str:
    account = conversion.target.account
    while (account, "policy", name.lower()) in conversion.state:
        name += "-aws"
    return name


def _document(value: Any, conversion: Conversion, kind: DocumentKind = DocumentKind.IDENTITY) -> dict[str, Any] | None:
    """Return a document in its local form, or None if Daypass does not accept it."""
    conversion.refusal = ""
    check = check_trust if kind is DocumentKind.TRUST else check_inline
    document = read_policy(value)
    if document is None:
        return None
    try:
        if conversion.target.rewriter is not None:
            document = conversion.target.rewriter.rewrite(document)
        check(document_text(document))
    except RecursionError:
        return None
    except Fault as fault:
        conversion.refusal = f" ({fault.message})"
        return None
    read: dict[str, Any] = document
    return read


def _holder(one: Mapping[str, Any], kind: str, inline_list: str, conversion: Conversion) -> dict[str, Any]:
    thing = f"{kind} {text_of(one, kind.capitalize() + 'Name')}"
    inline: dict[str, Any] = {}
    policies: dict[str, None] = {}
    for policy in objects_of(one, inline_list):
        name = text_of(policy, "PolicyName")
        document = _document(policy.get("PolicyDocument"), conversion)
        if document is None:
            policies[DENY_ALL] = None
            conversion.omit(
                thing,
                f"its inline policy {name} is not valid{conversion.refusal}, so all actions are denied: {DENY_ALL}",
            )
        else:
            inline[name] = document
    for attached in objects_of(one, "AttachedManagedPolicies"):
        arn = text_of(attached, "PolicyArn")
        policies[_target(arn, conversion) or DENY_ALL] = None
        if not _target(arn, conversion):
            conversion.omit(thing, f"the document of {arn} is missing, so all actions are denied: {DENY_ALL}")
    return {"path": text_of(one, "Path") or "/", "inline": inline, "policies": policies}


def _target(arn: str, conversion: Conversion) -> str:
    if arn not in conversion.arns and conversion.target.is_aws_policy(arn):
        return arn
    return conversion.arns.get(arn, "")


def _tags(one: Mapping[str, Any]) -> dict[str, str]:
    return {text_of(tag, "Key"): text_of(tag, "Value") for tag in objects_of(one, "Tags")}


def _boundary(one: Mapping[str, Any], thing: str, conversion: Conversion) -> dict[str, str]:
    given = one.get("PermissionsBoundary")
    arn = text_of(given, "PermissionsBoundaryArn") if isinstance(given, dict) else ""
    if not arn:
        return {}
    if not _target(arn, conversion):
        conversion.omit(thing, f"the document of its boundary {arn} is missing, so the boundary is {DENY_ALL}")
    return {"boundary": _target(arn, conversion) or DENY_ALL}


def _user(user: Mapping[str, Any], conversion: Conversion) -> None:
    name = text_of(user, "UserName")
    thing = f"user {name}"
    groups: dict[str, None] = {}
    attributes = {
        **_holder(user, "user", "UserPolicyList", conversion),
        **_boundary(user, thing, conversion),
        "tags": _tags(user),
        "groups": groups,
    }
    listed = user.get("GroupList")
    for group in listed if isinstance(listed, list) else ():
        if (conversion.target.account, "group", str(group).lower()) in conversion.state:
            groups[str(group)] = None
        else:
            attributes["policies"][DENY_ALL] = None
            conversion.omit(thing, f"its group {group} is missing, so all actions are denied: {DENY_ALL}")
    conversion.put("user", name, attributes)


def _role(role: Mapping[str, Any], conversion: Conversion) -> None:
    name = text_of(role, "RoleName")
    thing = f"role {name}"
    trust = _document(role.get("AssumeRolePolicyDocument"), conversion, DocumentKind.TRUST)
    if trust is None:
        conversion.omit(
            thing, f"its trust policy is not valid in Daypass{conversion.refusal}, so the role cannot be assumed"
        )
    unresolved = frozenset() if trust is None else frozenset(unresolved_principals(trust, conversion))
    for text in sorted(unresolved):
        conversion.omit(thing, f"its trust policy names {text}, which does not exist here and never matches")
    attributes = {
        **_holder(role, "role", "RolePolicyList", conversion),
        **_boundary(role, thing, conversion),
        "tags": _tags(role),
        "trust": dict(NOBODY) if trust is None else trust,
    }
    if text_of(role, "Description"):
        attributes["description"] = text_of(role, "Description")
    if isinstance(role.get("MaxSessionDuration"), int):
        attributes["maxSessionDuration"] = role["MaxSessionDuration"]
    conversion.put("role", name, attributes, unresolved=unresolved)


def unresolved_principals(trust: Mapping[str, Any], conversion: Conversion) -> Iterator[str]:
    """Yield the principals of a policy that do not exist in this store."""
    for kind, text in principals_of(trust):
        if text == "*":
            continue
        is_provider = kind == "Federated" and text.startswith("arn:")
        is_lost = is_provider and account_in_arn(text) not in conversion.target.accounts
        if is_lost or (kind == "AWS" and not _is_here(text, conversion)):
            yield text


def _is_here(text: str, conversion: Conversion) -> bool:
    """Return whether a principal exists in this store.

    A bare unique id belongs to another store.
    """
    if is_account_id(text):
        return text in conversion.target.accounts
    arn = Arn.find(text)
    if arn is None or arn.account not in conversion.target.accounts:
        return False
    if arn.resource == "root" or arn.resource.startswith("federated-user/"):
        return True
    if arn.resource.startswith("assumed-role/") and text.rpartition("/")[0] + "/" in conversion.own:
        return True
    return text in conversion.own or conversion.target.exists(text)


def _session_prefix(account: str, role: str) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{role}/"


def _summarize(details: Details, conversion: Conversion) -> None:
    if details.users:
        conversion.omit("users", "their access keys, passwords and MFA devices are not part of such a file")
    if any("MaxSessionDuration" not in role for role in details.roles):
        conversion.omit(
            "roles", "session durations and descriptions are missing: one hour and an empty description are used"
        )
    for role in details.roles:
        for profile in objects_of(role, "InstanceProfileList"):
            conversion.omit(
                f"instance profile {text_of(profile, 'InstanceProfileName')}", "not imported: Daypass has no machines"
            )
