"""Changes of an organization by operators, and their refusals."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.documents import deny, document
from tests.organization.conftest import Tree

from daypass.bootstrap import AccountCreationError, NewAccountRequest, create_account
from daypass.cli.main import cli
from daypass.directory.organization import organization_changes as changes
from daypass.directory.organization.organization_tree import find_policies, load_inherited_controls, load_place
from daypass.directory.store import Reader, Writer
from daypass.errors import MalformedPolicyDocument
from daypass.testing.server import RunningServer

_DENY = document(deny("iam:*"))


@pytest.fixture
def writer(tree: Tree) -> Iterator[Writer]:
    """Open one transaction on a store with an organization."""
    with tree.server.there.store.write() as open_writer:
        yield open_writer


def test_there_is_one_organization_a_store(tree: Tree) -> None:
    """A second management account is refused."""
    with pytest.raises(AccountCreationError, match="managed by"):
        tree.server.new_account(standing="management")


def test_ids_have_the_forms_of_aws(writer: Writer, tree: Tree) -> None:
    """The ids are o-, r- and ou- with the lengths of AWS's patterns."""
    organization = changes.get_organization(writer)
    assert len(organization.id) == 12
    assert len(organization.root) == 6
    assert tree.unit.startswith(f"ou-{organization.root[2:]}-")
    assert len(tree.unit) == 16


def test_a_path_of_units_ends_in_a_slash(writer: Writer, tree: Tree) -> None:
    """aws:PrincipalOrgPaths contains organization, root, units, and a slash."""
    organization = changes.get_organization(writer)
    web = changes.create_unit(writer, "/prod", "web", entropy=tree.server.there.entropy)
    changes.move_account(writer, tree.other.account, web.id)
    place = load_place(writer, tree.other.account)
    assert place.path == f"{organization.id}/{organization.root}/{tree.unit}/{web.id}/"
    assert len(load_inherited_controls(writer, tree.other.account).service_control) == 4


def test_units_can_be_nested_five_deep(writer: Writer, tree: Tree) -> None:
    """The sixth level is refused."""
    path = "/prod"
    for depth in range(2, 6):
        changes.create_unit(writer, path, str(depth), entropy=tree.server.there.entropy)
        path += f"/{depth}"
    with pytest.raises(changes.OrganizationChangeError, match="5 levels deep"):
        changes.create_unit(writer, path, "6", entropy=tree.server.there.entropy)


def _refusals(unit: str, member: str) -> list[tuple[Any, tuple[Any, ...], str]]:
    many = ["a" * 129, "", "a/b", "a\nb"]
    return [
        (changes.delete_unit, ("/",), "root cannot be deleted"),
        (changes.delete_unit, ("/prod",), "contains accounts"),
        (changes.delete_unit, ("/missing",), "does not exist"),
        (changes.delete_unit, ("ou-none",), "does not exist"),
        (changes.move_account, (member, "/missing"), "does not exist"),
        (changes.move_account, ("000000000000", "/"), "does not exist"),
        (changes.remove_account, ("000000000000",), "does not exist"),
        (changes.set_delegate, ("000000000000",), "does not exist"),
        (changes.remove_policy, ("/", "service", "absent"), "service control policy absent is not attached"),
        (changes.remove_policy, ("/", "service", "FullAWSAccess"), "last service control policy"),
        (changes.remove_policy, ("/", "resource", "RCPFullAWSAccess"), "cannot be detached"),
        (changes.set_policy, ("/", "resource", "RCPFullAWSAccess", _DENY), "cannot be changed"),
        (changes.set_policy, ("/missing", "service", "p", _DENY), "does not exist"),
        (changes.set_policy, ("/", "service", "p", _DENY + " " * 10_240), "10240 characters"),
        (changes.set_policy, ("/", "service", "p" * 129, _DENY), "1 to 128"),
        *((changes.create_unit, ("/", name), "1 to 128") for name in many),
        (changes.create_unit, ("/", "prod"), "already"),
    ]


@pytest.mark.parametrize("number", range(len(_refusals("", ""))))
def test_what_cannot_be_is_refused_with_a_sentence(writer: Writer, tree: Tree, number: int) -> None:
    """The store is unchanged, and the message states the reason."""
    function, arguments, words = _refusals(tree.unit, tree.member.account)[number]
    more = {"entropy": tree.server.there.entropy} if function is changes.create_unit else {}
    with pytest.raises(changes.OrganizationChangeError, match=words):
        function(writer, *arguments, **more)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("service", "{"),
        ("service", document({**deny("*"), "Principal": "*"})),
        ("resource", document(deny("*"))),
        ("resource", document({"Effect": "Allow", "Principal": "*", "Action": "sts:*", "Resource": "*"})),
    ],
)
def test_a_text_that_is_no_control_policy_is_refused(writer: Writer, kind: changes.ControlKind, text: str) -> None:
    """SCPs do not name a principal; RCPs name everyone and can only deny."""
    with pytest.raises(MalformedPolicyDocument):
        changes.set_policy(writer, "/", kind, "p", text)


def test_ten_service_control_policies_fit_on_one_level(writer: Writer) -> None:
    """FullAWSAccess is one of them."""
    for number in range(9):
        changes.set_policy(writer, "/", "service", f"p{number}", _DENY)
    with pytest.raises(changes.OrganizationChangeError, match="10 service control policies"):
        changes.set_policy(writer, "/", "service", "p10", _DENY)


def test_a_unit_goes_with_its_policies(writer: Writer, tree: Tree) -> None:
    """An empty unit can be deleted, and a later one of its name has no policies of it."""
    changes.set_policy(writer, "/prod", "service", "p", _DENY)
    changes.move_account(writer, tree.member.account, "/")
    changes.delete_unit(writer, "/prod")
    assert set(find_policies(writer, tree.unit).service) == {"FullAWSAccess"}


def test_without_an_organization_there_is_nothing_to_change(server: RunningServer) -> None:
    """The message states the first step."""

    def show(reader: Reader) -> None:
        changes.get_organization(reader)

    with (
        server.there.store.read() as reader,
        pytest.raises(changes.OrganizationChangeError, match="management account first"),
    ):
        show(reader)


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_builds_a_tree_and_shows_it(tmp_path: Path) -> None:
    """create-unit, move, set-policy, delegate and show change the store itself."""
    store = ("--store", f"sqlite:///{tmp_path}/daypass.db")
    policy = tmp_path / "policy.json"
    policy.write_text(_DENY)
    _run("account", "create", "--management", "--id", "111111111111", *store)
    _run("account", "create", "--id", "222222222222", *store)
    unit = _run("organization", "create-unit", "prod", *store).strip()
    _run("organization", "move", "222222222222", "/prod", *store)
    _run("organization", "set-policy", "/prod", "no-iam", str(policy), *store)
    _run("organization", "delegate", "222222222222", *store)
    shown = json.loads(_run("organization", "show", "--output", "json", *store))
    assert shown["ManagementAccountId"] == "111111111111"
    assert shown["DelegatedAdministrator"] == "222222222222"
    [prod] = shown["Root"]["Units"]
    assert prod["Id"] == unit
    assert prod["ServiceControlPolicies"] == ["FullAWSAccess", "no-iam"]
    assert [account["Id"] for account in prod["Accounts"]] == ["222222222222"]
    _run("organization", "remove-policy", "/prod", "no-iam", *store)
    _run("organization", "remove", "222222222222", *store)
    _run("organization", "delete-unit", unit, *store)
    assert "prod" not in _run("organization", "show", *store)


def test_the_command_refuses_with_exit_code_six(tmp_path: Path) -> None:
    """A refusal by the store is a configuration error."""
    store = ("--store", f"sqlite:///{tmp_path}/daypass.db")
    result = CliRunner().invoke(cli, ["organization", "show", *store])
    assert result.exit_code == 6
    assert "does not exist" in result.output
    assert CliRunner().invoke(cli, ["account", "create", *store]).exit_code == 0
    result = CliRunner().invoke(cli, ["organization", "show", *store])
    assert result.exit_code == 6
    assert "management account first" in result.output


def test_a_new_account_is_a_member_unless_it_stands_alone(tree: Tree) -> None:
    """New accounts join an existing organization; --standalone prevents that."""
    there = tree.server.there
    with there.store.write() as writer:
        wanted = NewAccountRequest(standing="standalone")
        alone = create_account(writer, wanted, now=tree.server.clock.now(), entropy=there.entropy, vault=there.vault)
        assert load_place(writer, alone.account).organization == ""
        assert load_place(writer, tree.other.account).organization == changes.get_organization(writer).id
