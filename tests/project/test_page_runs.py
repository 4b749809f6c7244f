"""The shell examples of the documentation run as they are pasted, and print what their pages show."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.process.daypass import BIN, Running, clean_environment, run, serving
from tests.project.example_blocks import EXECUTED, ROOT, examples
from tests.project.page_rows import NOT_RUN, NOT_RUN_PAGES, PAGES, PageRow, reason_not_run
from tests.project.page_shell import SHELLS, ShellCommand, Step, page_block, run_steps, shell_blocks
from tests.sockets import free_port

FEWEST_RUN = 90  # raise it with each page that runs; it does not fall
_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
_SERVERS = ("daypass serve", "daypass gateway --", "daypass dev", "uvicorn ")
_ADDRESSES = ("https://sts.example.com", "127.0.0.1:7878")
_OURS = ("https://sts.example.com", "https://sts.example.net", "http://127.0.0.1:7878", "http://localhost:7878")


@dataclass(frozen=True)
class Shared:
    """The server of the pages, its store, and the folder of its logs."""

    server: Running
    store: str
    folder: Path


def _account(page: str) -> str:
    return str(700000000000 + 7 * list(PAGES).index(page))


def _key(page: str) -> str:
    return "AKIAPAGE" + _account(page).translate(str.maketrans("0123456789", "ABCDEFGHIJ"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Run one server, whose store has an account for each page."""
    folder = tmp_path_factory.mktemp("pages")
    store = f"sqlite:///{folder / 'daypass.db'}"
    keys = {_account(page): {"id": _key(page), "secretAccessKey": {"secret": "ROOT_SECRET"}} for page in PAGES}
    (folder / "accounts.yaml").write_text(
        yaml.safe_dump({"version": 1, "accounts": {name: {"rootAccessKey": key} for name, key in keys.items()}})
    )
    made = run(
        "apply", str(folder / "accounts.yaml"), "--store", store, environment={"DAYPASS_SECRET_ROOT_SECRET": _SECRET}
    )
    assert made.returncode == 0, made.stderr
    logs = {"DAYPASS_AUDIT_LOG": str(folder / "audit.jsonl"), "DAYPASS_ACCESS_LOG": str(folder / "access.jsonl")}
    with serving(store, environment=logs) as server:
        yield Shared(server, store, folder)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.component(name) for name in row.needs]) for page, row in PAGES.items()],
)
def test_the_commands_of_a_page_run(page: str, shared: Shared, tmp_path: Path) -> None:
    """Each command exits as the page says, and prints what the page shows."""
    row = PAGES[page]
    url = f"http://127.0.0.1:{free_port()}" if row.own_server else shared.server.url
    store = f"sqlite:///{tmp_path / 'own.db'}" if row.own_store else shared.store
    if page == "docs/operating.md":
        url = url.replace("http:", "https:")
    words = _words(row, page, url, store, tmp_path)
    for name in ("work", "home/.aws", "etc/daypass", "var/lib/daypass", "var/backups", "run"):
        (tmp_path / name).mkdir(parents=True)
    for name, part in row.files.items():
        (tmp_path / "work" / name).write_text(_replaced(page_block(page, part), words), encoding="utf-8")
    _write_profile(page, url, tmp_path / "home/.aws")
    steps = list(_steps(page, row, words, url))
    differences = list(run_steps(steps, tmp_path, _environment(row, url, store, tmp_path, shared.folder)))
    assert not differences, "\n".join([page, *differences])


def _words(row: PageRow, page: str, url: str, store: str, folder: Path) -> Mapping[str, str]:
    """Return the values of pages, and those of this run."""
    paths = {f"/{name}": f"{folder}/{name}" for name in ("etc/daypass", "var/lib/daypass", "var/backups", "run")}
    own = {"sqlite:////var/lib/daypass/daypass.db": store}
    ports = {"$SERVER": url.rpartition(":")[2], "$PROXY": str(free_port())}
    places = {**ports, "$ROOM": str(folder), "$CHECKOUT": str(ROOT), "123456789012": _account(page)}
    given = {**ports, **{old: _replaced(new, places) for old, new in row.replaced.items()}}
    return {**own, **dict.fromkeys(_OURS, url), **paths, "123456789012": _account(page), **given}


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """Replace all values at once: a new value is not replaced again."""
    pattern = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(pattern, lambda found: words[found[0]], text)


def _write_profile(page: str, url: str, folder: Path) -> None:
    (folder / "credentials").write_text(
        f"[daypass-root]\naws_access_key_id = {_key(page)}\naws_secret_access_key = {_SECRET}\n"
    )
    (folder / "config").write_text(f"[profile daypass-root]\nregion = us-east-1\nendpoint_url = {url}\n")


def _environment(row: PageRow, url: str, store: str, folder: Path, logs: Path) -> dict[str, str]:
    given = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "AWS_PROFILE": "daypass-root",
        "COLUMNS": "200",
        "HOME": str(folder / "home"),
        "LOGS": str(logs),
        "PATH": os.pathsep.join([str(BIN.parent), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"]),
        "ROOM": str(folder),
    }
    if row.own_server:
        return clean_environment(given | {"DAYPASS_PORT": url.rpartition(":")[2]})
    return clean_environment(given | {"DAYPASS_STORE": store})


def _steps(page: str, row: PageRow, words: Mapping[str, str], url: str) -> Iterator[Step]:
    if row.before:
        plain = {old: new for old, new in words.items() if old not in row.replaced or old in _ADDRESSES}
        yield Step(ShellCommand(0, _replaced(row.before, plain), None))
    for command in (each for block in shell_blocks(page) for each in block.commands):
        if reason_not_run(page, command):
            continue
        shown = None if command.shown is None else _replaced(command.shown, words)
        text = _replaced(command.text, words)
        serves = f"{url}/readyz" if command.text.startswith(_SERVERS) else ""
        yield Step(ShellCommand(command.line, text, shown), any(part in text for part in row.refused), serves)
        for part, code in row.after.items():
            if part in command.text:
                yield Step(ShellCommand(command.line, _replaced(code, words), None))


def test_the_tables_name_commands_of_their_pages() -> None:
    """Each beginning that is not run begins a command of its page."""
    texts = {page: [each.text for block in shell_blocks(page) for each in block.commands] for page in NOT_RUN}
    stale = [
        (page, beginning)
        for page, rows in NOT_RUN.items()
        for beginning in rows
        if not any(text.startswith(beginning) for text in texts[page])
    ]
    assert stale == []


def test_no_fewer_blocks_run_than_before(capsys: pytest.CaptureFixture[str]) -> None:
    """Each page with shell examples is in one table, and the number of blocks that run does not fall."""
    pages = [each.page for each in examples() if each.language in SHELLS]
    silent = {page for page in pages if page.startswith(tuple(NOT_RUN_PAGES)) and page not in EXECUTED}
    assert sorted({*pages} - silent - {*EXECUTED, *PAGES}) == [], "add a row to page_rows.py"
    assert sorted({*PAGES} - {*pages}) == []
    ran = sum(
        page in EXECUTED or any(not reason_not_run(page, command) for command in block.commands)
        for page in {*pages} - silent
        for block in shell_blocks(page)
    )
    with capsys.disabled():
        sys.stdout.write(f"\nshell examples: {ran} blocks run, {len(pages) - ran} are only parsed\n")
    assert ran >= FEWEST_RUN
