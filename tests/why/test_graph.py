"""`daypass graph` draws who can assume what: every way exactly once.

The picture does not use external resources.
"""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents import allow, document, trusting

from daypass.cli.operators.policies.graph import command
from daypass.drawing.layout import BOX_HEIGHT, BOX_WIDTH, lay_out
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server

ACCOUNT = "111122223333"
HERE = f"arn:aws:iam::{ACCOUNT}:"
SVG = "{http://www.w3.org/2000/svg}"
Draw = Callable[..., Result]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Populate a SQLite store: users, a chain, a cycle and a closed role.

    There are three users, the chain is across accounts, and no principal can assume the closed role.
    """
    url = f"sqlite:///{tmp_path_factory.mktemp('graph')}/daypass.db"
    with running_server(store=url, account=ACCOUNT) as server:
        make = client_factory(server)
        iam, abroad = make("iam"), make("iam", server.new_account("444455556666", name="<b>prod</b>"))
        for name in ("alice", "bob", "carol"):
            iam.create_user(UserName=name)
        users = [f"{HERE}user/alice", f"{HERE}user/bob"]
        with_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
        _role(iam, "build", trusting({"AWS": users}, Sid="Both"))
        _role(iam, "admin", trusting({"AWS": f"{HERE}user/carol"}, Sid="Mfa", Condition=with_mfa))
        _role(abroad, "deploy", trusting({"AWS": f"{HERE}role/build"}))
        _role(abroad, "canary", trusting({"AWS": "arn:aws:iam::444455556666:role/deploy"}))
        circle = trusting({"AWS": [*users, "arn:aws:iam::444455556666:role/canary"]}, Sid="Circle")
        iam.update_assume_role_policy(RoleName="build", PolicyDocument=document(circle))
        _role(iam, "closed", trusting({"AWS": f"{HERE}role/build"}, Action="sts:TagSession"))
        _role(iam, "machines", trusting({"Service": "ec2.amazonaws.com"}))
        yield url


def _role(iam: Any, name: str, *statements: dict[str, Any]) -> None:
    statements = tuple({**one, "Action": one.get("Action", "sts:AssumeRole")} for one in statements)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(*statements))
    iam.put_role_policy(RoleName=name, PolicyName="chain", PolicyDocument=document(allow("sts:AssumeRole")))


@pytest.fixture
def drawn(store: str) -> Draw:
    """Run the command on the store."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(command, [*words, "--store", store])

    return run


def _parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own picture


def _edges(svg: str) -> set[tuple[str, str, bool]]:
    groups = [group for group in _parsed(svg).iter(f"{SVG}g") if "edge" in group.get("class", "").split()]
    return {
        (
            group.get("data-from", "").rpartition("/")[2],
            group.get("data-to", "").rpartition("/")[2],
            "conditional" in group.get("class", ""),
        )
        for group in groups
    }


def test_every_way_is_an_arrow(drawn: Draw) -> None:
    """Users, roles and services point at the roles they can assume.

    Arrows with conditions are dashed; a cycle stays a cycle.
    """
    assert _edges(drawn().output) == {
        ("alice", "build", False),  # represents bob too, who has equal permissions
        ("carol", "admin", True),
        ("build", "deploy", False),
        ("deploy", "canary", False),
        ("canary", "build", False),
        ("ec2.amazonaws.com", "machines", False),
    }


def test_people_who_can_do_the_same_stand_together(drawn: Draw) -> None:
    """Their box has their names and number."""
    texts = [text.text for text in _parsed(drawn().output).iter(f"{SVG}text")]
    assert "alice, bob" in texts
    assert f"2 users in {ACCOUNT}" in texts


def test_everything_has_a_title(drawn: Draw) -> None:
    """Each box and each arrow has a title with the statements on both sides."""
    for group in _parsed(drawn().output).iter(f"{SVG}g"):
        if set(group.get("class", "").split()) & {"node", "edge"}:
            title = group.findtext(f"{SVG}title")
            assert title
    titles = [title.text or "" for title in _parsed(drawn().output).iter(f"{SVG}title")]
    (of_carol,) = (title for title in titles if title.startswith(f"{HERE}user/carol can do"))
    assert "if: Bool aws:MultiFactorAuthPresent asks for true; the request has no" in of_carol
    assert f'"Principal": {{"AWS": "{HERE}user/carol"}}' in of_carol


def test_roles_that_nobody_can_assume_are_named(drawn: Draw) -> None:
    """Roles without arrows are listed in a line."""
    assert "No principal can assume closed." in drawn().output


def test_one_account_shows_what_begins_or_ends_there(drawn: Draw) -> None:
    """--account omits the arrows between other accounts."""
    edges = {(a, b) for a, b, _ in _edges(drawn("--account", ACCOUNT).output)}
    assert ("deploy", "canary") not in edges
    assert {("build", "deploy"), ("canary", "build")} <= edges
    assert drawn("--account", "999999999999").exit_code == 6


@pytest.mark.parametrize("form", ["svg", "html"])
def test_the_picture_asks_nobody_for_anything(drawn: Draw, form: str) -> None:
    """No external address is used, except the XML namespace.

    Names cannot become markup.
    """
    text = drawn("--format", form).output
    assert set(re.findall(r"(?:https?:)?//[a-z][^\s\"'<]*", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\bsrc=|\bhref=|@import|url\(", text)
    assert "<b>prod" not in text
    assert "&lt;b&gt;prod" in text


def test_the_page_holds_the_statements(drawn: Draw, tmp_path: Path) -> None:
    """The file name selects the format; the page has each way as data."""
    target = tmp_path / "graph.html"
    assert drawn("-o", str(target)).exit_code == 0
    page = target.read_text("utf-8")
    assert "Content-Security-Policy" in page
    found = re.search(r'<script type="application/json" id="ways">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    ways = json.loads(found.group(1))
    (carol,) = (way for way in ways if way["from"].endswith("carol"))
    trust = carol["statements"][-1]
    assert trust["text"]["Sid"] == "Mfa"
    assert trust["where"] == f"resource-based policy trust-policy of {HERE}role/admin"


def test_a_file_that_cannot_be_written_is_said(drawn: Draw) -> None:
    """The exit code is 9, with a sentence."""
    result = drawn("-o", "/nowhere/graph.svg")
    assert result.exit_code == 9
    assert "Cannot write" in result.output


_NAMES = [f"n{number}" for number in range(9)]
_ARROWS = st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(_NAMES)), unique=True, max_size=24)


@settings(max_examples=60, deadline=None)
@given(_ARROWS)
def test_layout_laws(arrows: list[tuple[str, str]]) -> None:
    """For any graph, boxes never overlap and arrows connect source and target."""
    layout = lay_out(_NAMES, arrows)
    columns: dict[float, list[float]] = {}
    for box in layout.boxes.values():
        columns.setdefault(box.x, []).append(box.y)
    for tops in columns.values():
        assert all(below - above >= BOX_HEIGHT - 1e-6 for above, below in pairwise(sorted(tops)))
    assert set(layout.paths) == {(a, b) for a, b in arrows if a != b}
    for (a, b), path in layout.paths.items():
        for name, (x, y) in ((a, path[0]), (b, path[-1])):
            box = layout.boxes[name]
            assert x in (box.x, box.x + BOX_WIDTH)
            assert box.y <= y <= box.y + BOX_HEIGHT


def test_a_long_chain_is_laid_out() -> None:
    """The layout of a chain of a thousand roles does not need deep recursion."""
    names = [f"r{number}" for number in range(1000)]
    layout = lay_out(names, list(pairwise(names)))
    assert layout.boxes["r999"].x > layout.boxes["r0"].x
    assert {box.y for box in layout.boxes.values()} == {0.0}
