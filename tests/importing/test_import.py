"""Importing an account: the target account, the conversion, and the losses, which fail closed."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.apply.directory import Directory
from tests.importing.details import ORIGIN, allow, arn, attached, group, large, page, policy, role, trust, user

from daypass.apply.apply import Committed
from daypass.apply.file.nodes import ApplyFileError
from daypass.apply.file.state import Thing
from daypass.apply.store.batches import BatchSizes
from daypass.bootstrap import NewAccountRequest, create_account
from daypass.directory import records
from daypass.directory.entities.apply_entities import Origin
from daypass.directory.entities.iam_entities import Role
from daypass.importing.details import read_details
from daypass.importing.importer import Imported, ImportOptions, import_account, roomy
from daypass.operations.settings import Quotas
from daypass.policy.authorization_request import AuthorizationRequest, Principal, PrincipalKind
from daypass.policy.compiled import compile_set
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import Policies, decide

DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
HERE = "222233334444"


@pytest.fixture
def directory() -> Directory:
    """Return an empty store."""
    return Directory()


def brought(directory: Directory, text: str, **wish: Any) -> Imported:
    """Import a file into HERE, or into another account."""
    details = read_details(text.encode())
    directory.quotas = roomy(Quotas(users=1, roles=1, groups=1, policies=1, attached_policies=1))
    return import_account(details, directory.tools, ImportOptions(**{"account": HERE, **wish}), directory.there.entropy)


def make(directory: Directory, account: str) -> None:
    """Create an account."""
    there = directory.there
    with there.store.write() as writer:
        create_account(
            writer, NewAccountRequest(account=account), now=there.clock.now(), entropy=there.entropy, vault=there.vault
        )


def found(directory: Directory, kind: str, name: str, account: str = HERE) -> Thing:
    """Return an existing entity."""
    thing = directory.thing(kind, name, account)
    assert thing is not None
    return thing


def reasons(imported: Imported) -> str:
    """Return the losses, one on each line."""
    return "\n".join(f"{loss.thing}: {loss.words}" for loss in imported.omissions)


WHOLE = page(
    policies=[policy("reader", allow("s3:Get*")), policy("bound", allow("*"))],
    groups=[group("staff", AttachedManagedPolicies=attached(arn("policy", "reader")))],
    users=[
        user(
            "alice",
            GroupList=["staff"],
            UserPolicyList=[{"PolicyName": "own", "PolicyDocument": quote(json.dumps(allow("sts:*")))}],
            PermissionsBoundary={"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn("policy", "bound")},
            Tags=[{"Key": "a", "Value": "b"}],
        )
    ],
    roles=[
        role("deploy", trust(AWS=arn("user", "alice")), MaxSessionDuration=7200, Description="d"),
        role("ring", trust(AWS=arn("role", "deploy"))),
    ],
)


def test_an_account_comes_whole(directory: Directory) -> None:
    """Users, groups, roles and policies are imported with their attachments and references."""
    imported = brought(directory, WHOLE, rewrite=True)
    alice = found(directory, "user", "alice")
    assert (list(alice.value("groups")), list(alice.value("inline")), alice.value("tags")) == (
        ["staff"],
        ["own"],
        {"a": "b"},
    )
    assert alice.value("boundary") == f"arn:aws:iam::{HERE}:policy/bound"
    assert list(found(directory, "group", "staff").value("policies")) == [f"arn:aws:iam::{HERE}:policy/reader"]
    deploy = found(directory, "role", "deploy")
    assert (deploy.value("maxSessionDuration"), deploy.value("description")) == (7200, "d")
    assert deploy.value("trust") == trust(AWS=f"arn:aws:iam::{HERE}:user/alice")
    assert (imported.origin, imported.account) == (ORIGIN, HERE)
    assert "1 version beside the default one" in reasons(imported)


def test_importing_twice_is_importing_once(directory: Directory) -> None:
    """The second import does not write, and without an account option it goes to the same account."""
    first = brought(directory, WHOLE, account="")
    revision = directory.revision()
    second = brought(directory, WHOLE, account="")
    assert second.account == first.account != ORIGIN
    assert not second.outcome.plan.changes
    assert directory.revision() == revision


def test_an_account_that_is_here_is_imported_into_itself(directory: Directory) -> None:
    """No ARN needs to be rewritten then."""
    make(directory, ORIGIN)
    assert brought(directory, WHOLE, account="").account == ORIGIN
    assert found(directory, "role", "deploy", ORIGIN).value("trust") == trust(AWS=arn("user", "alice"))


def test_pages_one_after_the_other_are_one_account(directory: Directory) -> None:
    """Separate pages may overlap; contradictions are refused."""
    text = page(users=[user("a"), user("b")]) + "\n" + page(users=[user("b"), user("c")])
    brought(directory, text)
    assert found(directory, "user", "c").name == "c"
    with pytest.raises(ApplyFileError, match="twice"):
        read_details((text + page(users=[user("a", Path="/x/")])).encode())


MISSING_PRINCIPALS = {
    "account": "999999999999",
    "root": "arn:aws:iam::999999999999:root",
    "user": "arn:aws:iam::999999999999:user/mallory",
    "role": "arn:aws:iam::999999999999:role/mallory",
    "session": "arn:aws:sts::999999999999:assumed-role/mallory/s",
    "own account": f"arn:aws:iam::{ORIGIN}:root",
    "who is gone": "AIDAIOSFODNN7EXAMPLEX",
}


@pytest.mark.parametrize("text", MISSING_PRINCIPALS.values(), ids=MISSING_PRINCIPALS)
def test_who_is_not_here_never_matches(directory: Directory, text: str) -> None:
    """They do not match a later account, user or role of that name either, and they are listed."""
    imported = brought(directory, page(roles=[role("open", trust(AWS=text))]))
    assert f"names {text}, which does not exist here" in reasons(imported)
    make(directory, "999999999999")
    make(directory, ORIGIN)
    directory.call("CreateUser", "999999999999", UserName="mallory")
    document = json.dumps(trust(AWS="*"))
    directory.call("CreateRole", "999999999999", RoleName="mallory", AssumeRolePolicyDocument=document)
    shown = directory.call("GetRole", HERE, RoleName="open")["Role"]["AssumeRolePolicyDocument"]
    assert quote(text, safe="") in shown
    for principal in _callers(directory):
        assert not isinstance(_asks(directory, "open", principal), Allowed)


def _callers(directory: Directory) -> list[Principal]:
    mallory = found(directory, "user", "mallory", "999999999999").id
    role_id = found(directory, "role", "mallory", "999999999999").id
    root = PrincipalKind.ROOT
    return [
        Principal(kind=root, account="999999999999", arn="arn:aws:iam::999999999999:root", unique_id="999999999999"),
        Principal(kind=root, account=ORIGIN, arn=f"arn:aws:iam::{ORIGIN}:root", unique_id=ORIGIN),
        Principal(kind=PrincipalKind.USER, account="999999999999", arn=MISSING_PRINCIPALS["user"], unique_id=mallory),
        Principal(
            kind=PrincipalKind.ROLE_SESSION,
            account="999999999999",
            arn=MISSING_PRINCIPALS["session"],
            issuer_arn=MISSING_PRINCIPALS["role"],
            unique_id=role_id,
            session_id=f"{role_id}:s",
        ),
    ]


def _asks(directory: Directory, name: str, principal: Principal) -> object:
    """Return the decision for a caller with all permissions that assumes a role."""
    from daypass.directory.identity import compiled, load_role
    from daypass.policy.compiled import PolicySource, PolicyType
    from daypass.policy.language.document import DocumentKind

    with directory.there.store.read() as reader:
        target = load_role(reader, HERE, name)
    assert target is not None
    everything = compiled(json.dumps(allow("*")), DocumentKind.IDENTITY, PolicySource(PolicyType.IDENTITY, "all"))
    question = AuthorizationRequest("sts:AssumeRole", target.arn, HERE, principal, {})
    return decide(question, Policies(identity=compile_set((everything,)), resource=target.trust, trust=True))


def test_a_provider_of_another_account_never_matches(directory: Directory) -> None:
    """Its account and a provider of that name may be created later: the role does not trust it."""
    text = "arn:aws:iam::999999999999:saml-provider/idp"
    imported = brought(directory, page(roles=[role("web", trust(Federated=text))]))
    assert text in reasons(imported)
    with directory.there.store.read() as reader:
        stored = records.find(reader, Role, HERE, "web")
    assert stored is not None
    assert text not in stored.trust
    assert found(directory, "role", "web").value("trust") == trust(Federated=text)


def test_who_is_here_does_match(directory: Directory) -> None:
    """Accounts and roles of this store are trusted as before."""
    make(directory, "999999999999")
    imported = brought(directory, page(roles=[role("open", trust(AWS=["999999999999"]))]))
    assert "999999999999" not in reasons(imported)
    principal = Principal(PrincipalKind.ROOT, "999999999999", "arn:aws:iam::999999999999:root")
    assert isinstance(_asks(directory, "open", principal), Allowed)


def test_what_cannot_be_read_denies(directory: Directory) -> None:
    """A lost policy may contain a Deny; a lost boundary allows no action.

    A lost trust policy trusts no principal.
    """
    broken = {"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}
    text = page(
        policies=[policy("broken", broken)],
        users=[
            user("a", UserPolicyList=[{"PolicyName": "own", "PolicyDocument": broken}]),
            user("b", AttachedManagedPolicies=attached(arn("policy", "broken"))),
            user("c", PermissionsBoundary={"PermissionsBoundaryArn": arn("policy", "broken")}),
            user("d", AttachedManagedPolicies=attached("arn:aws:iam::aws:policy/NoTextHere")),
        ],
        roles=[role("r", {"Statement": "x"})],
    )
    imported = brought(directory, text)
    for name in "abd":
        assert DENY_ALL in found(directory, "user", name).value("policies")
    assert found(directory, "user", "c").value("boundary") == DENY_ALL
    assert found(directory, "role", "r").value("trust")["Statement"][0]["Effect"] == "Deny"
    assert all(f"{thing}:" in reasons(imported) for thing in ("user a", "user b", "user c", "user d", "role r"))


def test_a_document_of_another_partition_denies_and_says_why(directory: Directory) -> None:
    """It could not be saved by the API either. The list of losses has the API's sentence."""
    chinese = allow("s3:*", resource="arn:aws-cn:s3:::b")
    text = page(
        policies=[policy("p", chinese)],
        users=[user("a", UserPolicyList=[{"PolicyName": "own", "PolicyDocument": chinese}])],
        roles=[role("r", trust(AWS="arn:aws-us-gov:iam::123456789012:root"))],
    )
    imported = brought(directory, text)
    assert DENY_ALL in found(directory, "user", "a").value("policies")
    assert found(directory, "role", "r").value("trust")["Statement"][0]["Effect"] == "Deny"
    assert reasons(imported).count('(Partition "aws-cn" is not valid for resource "arn:aws-cn:s3:::b".)') == 2
    assert "(Invalid principal in policy" in reasons(imported)


def test_a_document_that_is_nested_without_end_denies(directory: Directory) -> None:
    """It is treated like any other unreadable document."""
    deep = json.loads('{"Statement":' * 300 + "1" + "}" * 300)
    brought(directory, page(users=[user("a", UserPolicyList=[{"PolicyName": "p", "PolicyDocument": deep}])]))
    assert DENY_ALL in found(directory, "user", "a").value("policies")


def test_policies_of_aws_that_are_not_built_in_are_copied(directory: Directory) -> None:
    """The copy of the file's document belongs to the account, so that other accounts are not affected."""
    text = page(
        policies=[policy("AmazonNoSuchThing", allow("s3:*"), owner="aws"), policy("AmazonNoSuchThing", allow("a:*"))],
        roles=[role("r", trust(Service="ec2.amazonaws.com"), AttachedManagedPolicies=attached(
            "arn:aws:iam::aws:policy/AmazonNoSuchThing", "arn:aws:iam::aws:policy/AdministratorAccess"))],
    )  # fmt: skip
    imported = brought(directory, text)
    copy = f"arn:aws:iam::{HERE}:policy/aws-managed/AmazonNoSuchThing"
    assert set(found(directory, "role", "r").value("policies")) == {
        copy + "-aws",
        "arn:aws:iam::aws:policy/AdministratorAccess",
    }
    assert "is not built in" in reasons(imported)


def test_documents_are_rewritten_only_on_request(directory: Directory) -> None:
    """Every ARN of the account is rewritten in every document.

    ARNs of other accounts are not.
    """
    resources = allow("iam:*", resource=arn("user", "alice"))
    text = page(
        users=[user("alice", UserPolicyList=[{"PolicyName": "own", "PolicyDocument": resources}])],
        roles=[role("r", trust(AWS=ORIGIN))],
    )
    brought(directory, text)
    assert found(directory, "user", "alice").value("inline")["own"] == resources
    imported = brought(directory, text, account="333344445555", rewrite=True)
    alice = found(directory, "user", "alice", "333344445555")
    assert alice.value("inline")["own"]["Statement"][0]["Resource"] == "arn:aws:iam::333344445555:user/alice"
    assert found(directory, "role", "r", "333344445555").value("trust") == trust(AWS="333344445555")
    assert "not exist here" not in reasons(imported)


def test_providers_come_along(directory: Directory) -> None:
    """Providers are lists beside the others, or the output of get-open-id-connect-provider."""
    issuer = {"Url": "token.example", "ClientIDList": ["sts.amazonaws.com"], "ThumbprintList": ["0" * 40]}
    context = {"SubjectSourceKey": "sub", "KeyDefinitionList": [{"SourceKey": "dep", "TargetKey": "D"}]}
    listed = {
        "Arn": arn("oidc-provider", "other.example/a"),
        "ClientIDList": ["x"],
        "ContextProvider": context,
        "IdentityCenterInstanceArn": "arn:aws:sso:::instance/ssoins-1234567890abcdef",
    }
    text = page(users=[user("a")], OpenIDConnectProviders=[listed]) + json.dumps(issuer)
    imported = brought(directory, text)
    assert found(directory, "oidcProvider", "token.example").value("thumbprints") == ["0" * 40]
    assert found(directory, "oidcProvider", "token.example").value("contextProvider") is None
    propagated = {"subjectSourceKey": "sub", "keyDefinitionList": [{"sourceKey": "dep", "targetKey": "D"}]}
    assert found(directory, "oidcProvider", "other.example/a").value("contextProvider") == propagated
    assert "IAM Identity Center" in reasons(imported)
    assert list(found(directory, "oidcProvider", "other.example/a").value("clientIds")) == ["x"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected at least one of"),
        ("{}", "expected at least one of"),
        ("[1]", "must be an object"),
        ('{"UserDetailList": [', "may be incomplete"),
        ('{"UserDetailList": 1}', "expected a list"),
        ('{"UserDetailList": [1]}', "expected an object"),
        ('{"UserDetailList": [{}]}', "no Arn"),
        ('{"UserDetailList": [], "UserDetailList": []}', "duplicate key"),
        ("[" * 100_000, "nested"),
        ('{"UserDetailList": [{"Arn": "\\ud800"}]}', "half a character"),
        (page(users=[user("a"), {**user("b"), "Arn": "arn:aws:iam::999999999999:user/b"}]), "describes 2"),
        (page(users=[{**user("b"), "Arn": "arn:aws:iam::x:user/b"}]), "is not an account id"),
    ],
)
def test_what_is_no_such_file_says_why(directory: Directory, text: str, says: str) -> None:
    """The store is unchanged, and only an ApplyFileError is raised."""
    revision = directory.revision()
    with pytest.raises(ApplyFileError, match=says):
        brought(directory, text)
    assert directory.revision() == revision


def test_a_thing_that_the_rules_refuse_is_listed_and_the_rest_comes(directory: Directory) -> None:
    """An invalid user name excludes only that user."""
    imported = brought(directory, page(users=[user("bad name"), user("good")]))
    assert "user bad name: ValidationError" in reasons(imported)
    assert found(directory, "user", "good").name == "good"


def test_what_depends_on_a_thing_that_was_refused_is_denied(directory: Directory) -> None:
    """A refused policy or group may contain a Deny.

    Partial entities do not remain.
    """
    refused = policy("over", allow("s3:*")) | {"Tags": [{"Key": "aws:x", "Value": "y"}]}
    text = page(
        policies=[refused],
        groups=[group("bad name")],
        users=[
            user("a", AttachedManagedPolicies=attached(arn("policy", "over"))),
            user("b", PermissionsBoundary={"PermissionsBoundaryArn": arn("policy", "over")}),
            user("c", GroupList=["bad name"]),
            user("d", GroupList=["elsewhere"]),
        ],
    )
    imported = brought(directory, text)
    for name in "acd":
        assert DENY_ALL in found(directory, "user", name).value("policies")
    assert directory.thing("user", "b", HERE) is None
    assert "user b: NoSuchEntity" in reasons(imported)


def test_a_large_account_meets_no_quota(directory: Directory) -> None:
    """The quotas of the store do not apply: the account had its own."""
    imported = brought(directory, large(600), rewrite=True)
    assert sum(1 for change in imported.outcome.plan.changes if change.thing.kind == "role") == 600
    assert found(directory, "role", "r599").value("trust") == trust(
        AWS=[f"arn:aws:iam::{HERE}:role/r{(599 * 7 + 1) % 600}", f"arn:aws:iam::{HERE}:root"]
    )


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every member and element below a value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, member in members for place in ((*path, key), *_places(member, (*path, key)))]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_member_may_be_anything(data: st.DataObject) -> None:
    """With a wrong value in any place, the file is refused or its rest is imported, without an internal error."""
    whole = json.loads(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(_places(whole)))
        target = whole
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = data.draw(
            st.sampled_from([None, 1, True, "", "x", "arn:aws:iam::1:x", [], [1], {}, {"a": 1}])
        )
    with suppress(ApplyFileError):
        brought(Directory(), json.dumps(whole), rewrite=data.draw(st.booleans()))


def _in_batches(directory: Directory, text: str, committed: Callable[[Committed], None]) -> Imported:
    """Import into the default account, with batches of three new entities."""
    directory.quotas = roomy(Quotas())
    tools = replace(directory.tools, sizes=BatchSizes(small_plan=0, batch=3), committed=committed)
    return import_account(read_details(text.encode()), tools, ImportOptions(), directory.there.entropy)


def test_a_large_import_has_the_result_of_one_transaction(directory: Directory) -> None:
    """All entities are made in batches, and a refusal is listed once."""
    text = page(
        policies=[policy("reader", allow("s3:Get*"))],
        users=[user("u-1"), user("u\u0007-refused"), user("u-2")],
        roles=[role(f"r-{at}", trust(AWS="*"), Tags=[{"Key": "at", "Value": str(at)}]) for at in range(8)],
    )
    whole, batches = Directory(), list[Committed]()
    expected = brought(whole, text, account="")
    imported = _in_batches(directory, text, batches.append)
    assert len(batches) > 3
    assert reasons(imported) == reasons(expected)
    assert "u\u0007-refused" in reasons(imported)
    assert directory.export().replace(imported.account, "-") == whole.export().replace(expected.account, "-")
    assert len(imported.outcome.plan.changes) == len(expected.outcome.plan.changes)


def test_an_interrupted_import_goes_on_in_the_same_account(directory: Directory) -> None:
    """The first batch records the target; each batch has complete entities."""
    text = page(roles=[role(f"r-{at}", trust(AWS="*"), Tags=[{"Key": "a", "Value": "b"}]) for at in range(8)])

    def interrupt(committed: Committed) -> None:
        if committed.done > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _in_batches(directory, text, interrupt)
    with directory.there.store.read() as reader:
        (origin,) = records.each(reader, Origin, "")
    before = directory.thing("role", "r-0", origin.account), directory.thing("role", "r-7", origin.account)
    assert sum(one is None for one in before) == 1
    imported = _in_batches(directory, text, lambda _: None)
    assert imported.account == origin.account
    assert 0 < len(imported.outcome.plan.changes) < 8
    assert all(found(directory, "role", f"r-{at}", origin.account).value("tags") for at in range(8))
