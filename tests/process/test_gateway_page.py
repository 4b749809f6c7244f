"""The commands of docs/gateway.md work when they are pasted into a shell."""

import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.gateway.stores import StoreServer
from tests.process.daypass import BIN, clean_environment, serving
from tests.process.daypass_gateway import gateway, key_file

_PAGE = (Path(__file__).parents[2] / "docs/gateway.md").read_text(encoding="utf-8")


def block(text: str) -> str:
    """Return the commands of the page that contain a text."""
    return next(each[1] for each in re.finditer(r"```bash\n(.*?)```", _PAGE, re.DOTALL) if text in each[1])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_role_writes_and_reads_as_the_page_says(tmp_path: Path, moto_store: StoreServer) -> None:
    """The role writes an object, presigns it with version 4, and may not copy it to another folder."""
    accounts = f"sqlite:///{tmp_path / 'd.db'}"
    (tmp_path / ".aws").mkdir()
    words = ("--backend", moto_store.url, "--backend-key-file", key_file(tmp_path, moto_store), "--profile", "moto")
    with serving(accounts, environment={}) as server, gateway(accounts, *words) as running:
        # Each part of the first profile goes into its file, as the page says.
        [first] = tmp_path.glob("daypass-root-*.ini")
        part = first.read_text().replace("http://127.0.0.1:7880", running.url)
        credentials, config = part.split("# For ~/.aws/config\n")
        (tmp_path / ".aws/credentials").write_text(credentials)
        (tmp_path / ".aws/config").write_text(config)
        commands = block("aws s3 mb").replace("http://127.0.0.1:7878", server.url)
        commands = commands.replace("http://127.0.0.1:7880", running.url)
        ended = subprocess.run(
            ["bash", "-u"],
            input=commands,
            env=clean_environment({"HOME": str(tmp_path)}) | {"PATH": f"{BIN.parent}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        presigned = re.search(r"^http\S+X-Amz-Signature=\w+$", ended.stdout, re.MULTILINE)
        assert presigned is not None, ended.stderr
        with urllib.request.urlopen(presigned[0]) as answer:  # noqa: S310 - our own address
            assert answer.read().strip()
    errors = [
        line
        for line in ended.stderr.splitlines()
        if line.strip() and "WARNING" not in line and not line.startswith("Saved")
    ]
    assert len(errors) == 1, ended.stderr
    assert "not authorized to perform: s3:PutObject" in errors[0]
