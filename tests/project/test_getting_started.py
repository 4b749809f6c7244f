"""The commands of docs/getting-started.md work when they are pasted into a shell, in their order."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.process.daypass import BIN, clean_environment, serving

_PAGE = (Path(__file__).parents[2] / "docs/getting-started.md").read_text(encoding="utf-8")
_COMMANDS = re.findall(r"^```sh\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_newcomer_assumes_the_first_role(tmp_path: Path) -> None:
    """The role is assumed, reads, may not write, and each `daypass explain` says why."""
    (tmp_path / ".aws").mkdir()
    with serving(f"sqlite:///{tmp_path / 'trial.db'}", environment={}) as server:
        # Each part of the first profile goes into its file, as the page says.
        [first] = tmp_path.glob("daypass-root-*.ini")
        credentials, config = first.read_text().split("# For ~/.aws/config\n")
        (tmp_path / ".aws/credentials").write_text(credentials)
        (tmp_path / ".aws/config").write_text(config)
        # The first block installs and starts what runs here already.
        commands = "".join(_COMMANDS[1:]).replace(". trial/bin/activate\n", "")
        ended = subprocess.run(
            ["bash", "-u"],
            input=commands.replace("http://127.0.0.1:7878", server.url),
            env=clean_environment({"HOME": str(tmp_path)}) | {"PATH": f"{BIN.parent}:/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert ":root" in ended.stdout, ended.stderr
    assert "2 created, 0 changed, 0 deleted." in ended.stdout, ended.stderr
    assert re.search(r"^arn:aws:sts::\d{12}:assumed-role/auditor/\S+\nann$", ended.stdout, re.MULTILINE), ended.stderr
    assert "because no identity-based policy allows the iam:CreateUser action" in ended.stderr
    assert "DENIED: iam:CreateUser" in ended.stdout
    assert re.search(r"^CAN: user arn:aws:iam::\d{12}:user/ann$", ended.stdout, re.MULTILINE)
