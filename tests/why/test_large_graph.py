"""`daypass graph` of a store with many accounts: a summary that says so, and the way to its parts."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.documents import document, trusting
from tests.large_stores import BORN, Shape, fill, open_store

from daypass.cli.operators.policies.graph import command
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fill a store of eighty accounts with twenty roles and users each."""
    return fill(tmp_path_factory.mktemp("large") / "daypass.db", Shape(80, roles=20, users=20, assuming=5))


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fill a store of eighty accounts, in each of which a role trusts the next account."""
    shape = Shape(80, roles=20, users=20)
    url = fill(tmp_path_factory.mktemp("ring") / "daypass.db", shape)
    store = open_store(url)
    with store.write() as writer:
        for at in range(80):
            trust = document(trusting({"AWS": f"arn:aws:iam::{shape.account((at + 1) % 80)}:root"}))
            role = Role(id=f"AROARING{at:012}", name="ring", account=shape.account(at), trust=trust, created=BORN)
            records.insert(writer, role)
    store.close()
    return url


def _run(url: str, *words: str) -> Result:
    result = CliRunner().invoke(command, [*words, "--store", url])
    assert result.exit_code == 0, result.output
    return result


def _boxes(svg: str) -> list[str]:
    groups = ET.fromstring(svg).iter(f"{SVG}g")  # noqa: S314 - our own picture
    return [group.get("data-node", "") for group in groups if group.get("class") == "node"]


def _arrows(svg: str) -> dict[tuple[str, str], str]:
    groups = ET.fromstring(svg).iter(f"{SVG}g")  # noqa: S314 - our own picture
    return {
        (group.get("data-from", ""), group.get("data-to", "")): group.findtext(f"{SVG}text") or ""
        for group in groups
        if group.get("class") == "edge"
    }


def test_accounts_with_the_same_arrows_are_one_box(url: str) -> None:
    """The box says how many they are, and counts the roles and users of all."""
    svg = _run(url).stdout
    first = Shape(80).account(0)
    assert _boxes(svg) == [first, "everyone"]
    assert _arrows(svg) == {("everyone", first): "1,600"}
    assert "80 accounts alike" in svg
    assert "1,600 roles, 1,600 users" in svg


def test_a_large_graph_is_summarized(ring: str) -> None:
    """Accounts are boxes with counts; those with the fewest arrows share one, and the picture says all that."""
    svg = _run(ring).stdout
    boxes = _boxes(svg)
    assert len(boxes) == 62
    assert {"everyone", "other accounts", Shape(80).account(0)} <= set(boxes)
    assert "20 other accounts" in svg
    assert "21 roles, 20 users" in svg
    assert "Draw a part of it with --account ID or --role ARN" in svg
    arrows = _arrows(svg)
    assert arrows["everyone", Shape(80).account(0)] == "20"
    assert arrows["everyone", "other accounts"] == "400"


def test_one_account_or_one_role_is_a_part(url: str) -> None:
    """A part with too many boxes is a summary of that part: by account for a role."""
    account = Shape(80).account(7)
    assert _arrows(_run(url, "--account", account).stdout) == {("everyone", account): "20"}
    role = f"arn:aws:iam::{account}:role/role-3"
    arrows = _arrows(_run(url, "--role", role).stdout)
    # The role trusts everyone: all of its own account, of the others those with a policy. And itself.
    assert arrows[account, role] == "40"
    assert arrows[Shape(80).account(0), role] == str(79 * 8)
    assert len(arrows) == 2


def test_the_page_of_a_summary_is_one_file(url: str, tmp_path: Path) -> None:
    """The HTML page has the picture and the sentence; the command prints the sentence too."""
    target = tmp_path / "who.html"
    result = _run(url, "-o", str(target))
    assert "too large for one picture" in result.stderr
    page = target.read_text("utf-8")
    assert page.count('class="node"') == 2
    assert "--role ARN" in page
    assert not {"http://", "https://"} & set(page.replace("http://www.w3.org/2000/svg", "").split())


def test_a_small_part_is_drawn_as_usual(tmp_path: Path) -> None:
    """A role that few principals can assume has its statements in the picture."""
    shape = Shape(3, roles=100, users=100, trust="service")
    small = fill(tmp_path / "small.db", shape)
    role = f"arn:aws:iam::{shape.account(1)}:role/role-1"
    svg = _run(small, "--role", role).stdout
    assert "can do sts:AssumeRole to" in svg
    assert "ec2.amazonaws.com" in svg
    missing = CliRunner().invoke(command, ["--role", role + "0000", "--store", small])
    assert missing.exit_code == 6
    both = CliRunner().invoke(command, ["--role", role, "--account", shape.account(1), "--store", small])
    assert both.exit_code == 2
