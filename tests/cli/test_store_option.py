"""What the operators' commands do with a store's address, and how a root key is shown."""

import configparser
from pathlib import Path

from click.testing import CliRunner

from daypass.cli.main import cli


def test_a_wrong_path_is_no_empty_store(tmp_path: Path) -> None:
    """A command that only looks or changes makes no store where there is none, and says where it looked."""
    result = CliRunner().invoke(cli, ["account", "list", "--store", f"sqlite:///{tmp_path}/typo/d.db"])
    assert result.exit_code == 6
    assert "There is no store at" in result.output
    assert not list(tmp_path.iterdir())


def test_blocks_of_several_accounts_stand_in_one_file(tmp_path: Path) -> None:
    """AWS tools refuse a credentials file in which a profile stands twice: each account has a name of its own."""
    store = ("--store", f"sqlite:///{tmp_path}/d.db")
    shown = [CliRunner().invoke(cli, ["account", "create", *store]).stdout for _ in range(2)]
    profiles = configparser.ConfigParser()
    profiles.read_string("\n".join(shown))
    assert len(profiles.sections()) == 2
