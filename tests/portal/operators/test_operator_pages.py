"""The operator pages: only for permitted callers, of their own account, with safe strings."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.portal.conftest import OTHER, Portal, Visit
from tests.portal.gallery import HOSTILE, MAY, Scene, enter, refusal, scene

from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignIn
from daypass.testing.plugin import client_factory

pytestmark = pytest.mark.slow  # a browser takes a second for each


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run a server with users, chains of roles, a log, and another account of three hundred roles."""
    with scene(tmp_path_factory.mktemp("operators")) as running:
        yield running


@pytest.fixture
def allowed(portal: Portal) -> Iterator[None]:
    """Give developers the permission."""
    iam = client_factory(portal.server)("iam")
    iam.put_role_policy(RoleName="developer", PolicyName="look", PolicyDocument=json.dumps(MAY))
    yield
    iam.delete_role_policy(RoleName="developer", PolicyName="look")


# Permission


def test_whoever_may_sees_their_own_account(portal: Portal, visit: Visit, allowed: None) -> None:
    """The pages show graph, refusals and keys of the own account only."""
    page = _enter(portal, visit, "developer")
    page.get_by_role("heading", name="Overview").wait_for()
    page.get_by_role("link", name="Graph").click()
    page.get_by_role("heading", name="Trust graph").wait_for()
    text = page.locator("main").text_content() or ""
    assert "role/developer" in text
    assert OTHER not in text
    page.get_by_role("link", name="Audit").click()
    page.get_by_role("heading", name="Audit", exact=True).wait_for()
    page.get_by_role("link", name="Keys").click()
    page.get_by_text("active", exact=True).first.wait_for()
    page.get_by_role("button", name="Leave the console").click()
    page.wait_for_url("**/roles")
    page.goto(f"{portal.url}/operator")
    page.wait_for_url("**/operator/enter*")


def test_whoever_may_not_sees_nothing(portal: Portal, visit: Visit) -> None:
    """The permission is iam:GetAccountAuthorizationDetails, evaluated as on AWS."""
    page = _enter(portal, visit, "readonly")
    page.get_by_text("iam:GetAccountAuthorizationDetails").wait_for()
    page.goto(f"{portal.url}/operator/keys")
    page.wait_for_url("**/operator/enter*")


def test_a_permission_that_is_taken_away_closes_the_pages(portal: Portal, visit: Visit, allowed: None) -> None:
    """Each page checks the permission again."""
    page = _enter(portal, visit, "developer")
    page.get_by_role("heading", name="Overview").wait_for()
    iam = client_factory(portal.server)("iam")
    iam.put_role_policy(
        RoleName="developer", PolicyName="look", PolicyDocument=json.dumps(MAY).replace("iam:*", "s3:*")
    )
    page.goto(f"{portal.url}/operator/keys")
    page.get_by_text("iam:GetAccountAuthorizationDetails").wait_for()


def test_a_person_who_is_signed_out_signs_in_and_arrives(portal: Portal, visit: Visit, allowed: None) -> None:
    """One sign-in and one choice lead to the page that the person wanted, without scripts; sign-out closes it."""
    page = visit(f"{portal.url}/operator/keys", java_script_enabled=False)
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("button", name="Continue as").click()
    page.get_by_role("heading", name="Open the operator console").wait_for()
    page.get_by_role("button", name="Open with developer").click()
    page.get_by_role("heading", name="Keys and rotation").wait_for()
    page.goto(f"{portal.url}/roles")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{portal.url}/operator/keys")
    page.wait_for_url("**/login?next=*")


# The graph


def test_the_table_says_what_the_picture_shows(there: Scene, visit: Visit) -> None:
    """Each arrow is a row, although equal roles share a box. This works without scripts."""
    page = _operator(there, visit, java_script_enabled=False)
    rows = page.locator("table.ways tbody tr")
    expect(rows).to_have_count(int((page.locator(".lead").text_content() or "").split("account,")[1].split()[0]))
    drawn = page.locator(".graph svg .name")
    for name in ("carol, dave", "build", "deploy", "admin", "vendor", f"account {OTHER}", "ec2.amazonaws.com"):
        expect(drawn.filter(has_text=name).first).to_be_attached()
    expect(page.locator(".graph svg[aria-hidden] a:not([tabindex='-1'])")).to_have_count(0)
    assert "role/closed" in (page.locator("#closed").text_content() or "")


def test_a_role_shows_the_chains_that_lead_to_it(there: Scene, visit: Visit) -> None:
    """A click on a box shows the principals that reach it in several steps, and the conditions."""
    page = _operator(there, visit)
    page.locator(".graph svg a", has=page.locator("[data-node$='role/admin']")).click()
    page.get_by_role("heading", name="Principals that can reach it").wait_for()
    chain = "user/carol, user/dave → role/build → role/deploy → role/admin with conditions"
    expect(page.locator(".chains li").filter(has_text=chain)).to_have_count(1)
    assert "project-03" not in (page.locator("#found").text_content() or "")


def test_words_find_ways(there: Scene, visit: Visit) -> None:
    """A plain form: a path must contain every word, and the search can include chains."""
    page = _operator(there, visit, java_script_enabled=False)
    for search, chains, found in (
        ("mfa", False, ["role/admin", "role/admin"]),
        ("deploy mfa", False, ["role/admin"]),
        ("carol", False, ["role/build"]),
        ("carol", True, ["role/admin", "role/build", "role/deploy"]),
        ("nobody is called so", False, []),
    ):
        page.get_by_label("Find").fill(search)
        page.get_by_label("include role chains").set_checked(chains)
        page.get_by_role("button", name="Show").click()
        expect(page.locator("table.ways td[data-label='Role']"), search).to_have_text(found)
    page.get_by_text("No path matches").wait_for()


def test_why_quotes_the_statements(there: Scene, visit: Visit) -> None:
    """Each path opens to its statements, and their author cannot insert markup."""
    page = _operator(there, visit, java_script_enabled=False)
    page.locator("tr", has_text="role/vendor").locator("summary", has_text="Why").click()
    told = page.locator("tr", has_text="role/vendor")
    assert '"sts:ExternalId"' in (told.locator("pre").text_content() or "")
    assert "the policies of the caller's own account allow it too" in (told.text_content() or "")
    _is_harmless(page)


def test_three_hundred_roles_are_readable(there: Scene, visit: Visit) -> None:
    """A large graph is not drawn: the page has starting points, a paged table, and a search that draws a part."""
    page = visit(f"{there.url}/login", java_script_enabled=False)
    _sign_in(page, there, "vast")
    page.get_by_role("heading", name="Too large for one picture").wait_for()
    expect(page.locator("table.ways tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Next").click()
    page.get_by_role("heading", name="Paths 51 to 100 of 301").wait_for()
    page.get_by_label("Find").fill("team-0")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("100 paths match").wait_for()
    expect(page.locator(".graph svg .node")).to_have_count(2)  # the provider, and a hundred roles in one box
    page.get_by_label("Find").fill("own-007")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".graph svg .name")).to_have_text(["user-007", "own-007"])


# Refusals


def test_refusals_are_shown_newest_first_and_found(there: Scene, visit: Visit) -> None:
    """The page shows the hidden reason, and filters by words and by error."""
    there.log_refusals(*(refusal(number) for number in range(6)))
    page = _operator(there, visit, java_script_enabled=False)
    page.goto(f"{there.url}/operator/refusals")
    expect(page.locator("time")).to_have_text([re.compile(rf".{{14}}0{minute}") for minute in (5, 4, 3, 2, 1, 0)])
    expect(page.get_by_text("because no resource-based policy allows")).to_have_count(6)
    page.get_by_label("Error").select_option("AccessDenied")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("li.card")).to_have_count(3)
    page.get_by_label("Find").fill("00000003-")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("li.card")).to_have_count(1)
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("li.card")).to_have_count(6)
    page.get_by_label("Find").fill("nobody is called so")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("heading", name="No matches").wait_for()


def test_hostile_texts_are_texts(there: Scene, visit: Visit) -> None:
    """Markup, right-to-left text and very long names from user agents and session names are harmless."""
    there.log_refusals(refusal(2))
    page = _operator(there, visit)
    page.goto(f"{there.url}/operator/refusals")
    page.get_by_text("</pre><script>alert(1)</script>").first.wait_for()
    _is_harmless(page)
    assert "x" * 250 not in (page.locator("main").text_content() or "")
    page.goto(f"{there.url}/operator/refusals?q={'%3Cscript%3E' * 3}&code=%22%3E%3Cscript%3E&before=%F0")
    page.goto(f"{there.url}/operator?q=%E2%80%AE%3Cscript%3E&from=-1")
    page.get_by_text("\\u{202e}<script>").wait_for()
    _is_harmless(page)


def test_the_page_says_whose_log_it_reads(there: Scene, visit: Visit) -> None:
    """The page explains that it reads one log, and the procedure for several servers."""
    there.log_refusals()
    page = _operator(there, visit)
    page.goto(f"{there.url}/operator/refusals")
    page.get_by_role("heading", name="No matches").wait_for()
    page.get_by_text("only the log file of the server that answered you").wait_for()
    page.get_by_text("collect the files in one place").wait_for()


def test_a_server_without_a_file_says_so(portal: Portal, visit: Visit, allowed: None) -> None:
    """The page names the setting that would create a log file."""
    page = _enter(portal, visit, "developer")
    page.get_by_role("link", name="Audit").click()
    page.get_by_role("heading", name="No audit log file").wait_for()
    page.get_by_text("--audit-log").wait_for()


# Keys


def test_keys_tell_their_age_and_their_rotation(there: Scene, visit: Visit) -> None:
    """The page shows the next automatic rotation, its effect and the command, but no key material."""
    there.server.clock.freeze()
    page = _operator(there, visit)
    page.get_by_role("link", name="Keys").click()
    rotation = page.locator(".card", has_text="Session tokens").first.text_content() or ""
    assert "less than a day" in rotation
    assert "Rotation does not end sessions" in rotation
    assert "daypass keys rotate" in rotation
    due = rotation.partition("Next automatic rotation: ")[2][:10]
    days = date.fromisoformat(due) - there.server.clock.now().date()
    assert timedelta(days=89) <= days <= timedelta(days=90)
    page.get_by_role("heading", name="SAML sign-in requests").wait_for()
    there.server.clock.reset()


def test_operator_pages_are_kept_by_nobody(there: Scene, visit: Visit) -> None:
    """No cache and no frame; a host-only cookie; the store has only a hash of the cookie."""
    page = _operator(there, visit)
    for path in ("/operator", "/operator/refusals", "/operator/keys", "/operator/graph?q=nothing", "/operator/audit"):
        answer = page.goto(f"{there.url}{path}")
        assert answer is not None
        headers = answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert "unsafe" not in headers["content-security-policy"]
        expect(page.locator("[style], style, script:not([src])")).to_have_count(0)
    (cookie,) = (each for each in page.context.cookies() if "operator" in each["name"])
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    with there.server.there.store.read() as reader:
        kept = [record.key for record in reader.page(records.kind_name(SignIn), "", limit=100)]
    assert [each for each in kept if "operator:" in each]
    assert not [each for each in kept if cookie["value"] in each]


def test_no_other_page_ends_a_session(there: Scene, visit: Visit) -> None:
    """The form contains a token that only pages of this session have."""
    page = _operator(there, visit)
    page.evaluate("document.querySelector('input[name=Form]').value = 'x'.repeat(32)")
    page.get_by_role("button", name="Leave the console").click()
    page.get_by_text("This form belongs to another session").wait_for()
    page.goto(f"{there.url}/operator/keys")
    page.get_by_role("heading", name="Keys and rotation").wait_for()


def test_the_keyboard_is_enough(there: Scene, visit: Visit) -> None:
    """Tab reaches the navigation, the search and the table, and skips the boxes of a picture."""
    page = _operator(there, visit)
    reached = list[str]()
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(({tagName, id, textContent}) => tagName + ' ' + (id || textContent.trim()))(document.activeElement)"
            ).partition("\n")[0]
        )
    for wanted in ("A Audit", "A Keys", "BUTTON Leave the console", "INPUT q", "INPUT chains", "BUTTON Show"):
        assert wanted in reached
    page.get_by_label("Find").focus()
    page.keyboard.type("admin")
    page.keyboard.press("Enter")
    page.get_by_text("paths match admin").wait_for()
    assert not [each for each in reached if each.startswith("a ")]


def _is_harmless(page: Page) -> None:
    """Check that a hostile string does not become markup, and does not reorder or hide its neighbours."""
    text = page.locator("main").text_content() or ""
    assert not set(HOSTILE) & set("\u202e\u2066\u200b") & set(text)
    assert page.evaluate("[...document.scripts].every(script => script.src.startsWith(location.origin))")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _operator(there: Scene, visit: Visit, **how: object) -> Page:
    page = visit(f"{there.url}/login", **how)
    _sign_in(page, there, "developer")
    return page


def _sign_in(page: Page, there: Scene, role: str) -> None:
    there.idp.waits = True
    enter(page, there.url, there.idp.url.partition("://")[2], role)
    page.get_by_role("heading", name="Overview").wait_for()
    page.get_by_role("link", name="Graph").click()
    page.get_by_role("heading", name="Trust graph").wait_for()


def _enter(portal: Portal, visit: Visit, role: str) -> Page:
    page = visit(f"{portal.url}/login")
    enter(page, portal.url, "localhost", role)
    return page
