"""`daypass import` as a process: into the store of a running server, and with invalid files."""

import json
from pathlib import Path

import pytest
from tests.importing.details import ORIGIN, large, page, role, trust
from tests.process.daypass import run, serving


@pytest.mark.slow
def test_an_account_comes_into_the_store_of_a_live_server(tmp_path: Path) -> None:
    """The server's next request sees it.

    The new account's root key is printed once, and works.
    """
    store = f"sqlite:///{tmp_path / 'd.db'}"
    (tmp_path / "account.json").write_text(large(40))
    with serving(store) as server:
        done = run("import", str(tmp_path / "account.json"), "--rewrite", "--output", "json", "--store", store)
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        iam = server.client("iam", told["RootAccessKeys"][0])
        assert len(iam.list_roles()["Roles"]) == 40
        assert told["OriginAccountId"] == ORIGIN
        assert told["Kinds"]["role"] == {"Create": 40, "Change": 0, "Delete": 0}
        # The output equals the input.
        details = iam.get_account_authorization_details(MaxItems=1000)
        assert len(details["RoleDetailList"]) == 40
    again = run("import", str(tmp_path / "account.json"), "--rewrite", "--store", store)
    assert "No changes" in again.stdout


@pytest.mark.slow
def test_what_was_left_behind_is_told(tmp_path: Path) -> None:
    """Each loss is one line of text."""
    (tmp_path / "account.json").write_text(page(roles=[role("r", trust(AWS="999999999999"))]))
    words = ("import", str(tmp_path / "account.json"), "--store", f"sqlite:///{tmp_path / 'd.db'}")
    trial = run(*words, "--dry-run", "--account", "222233334444")
    assert "would be imported into account 222233334444" in trial.stdout
    done = run(*words, "--account", "222233334444")
    assert "role r: its trust policy names 999999999999, which does not exist here and never matches" in done.stdout
    assert "2 created" in done.stdout


def test_a_file_that_is_none_is_exit_code_two(tmp_path: Path) -> None:
    """The error is one sentence, without a traceback."""
    (tmp_path / "half.json").write_text(large(5)[:-20])
    done = run("import", str(tmp_path / "half.json"), "--store", f"sqlite:///{tmp_path / 'd.db'}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "may be incomplete" in done.stderr
    assert "Traceback" not in done.stderr
