"""The setup of docs/gateway.md for pages that build on it, and the execution of the examples of a page.

A page for a client shows files, commands and output. Owns the meaning of its blocks: a block whose first line is a
comment with a path (`# ~/.s3cfg`) is the content of that file; a `bash` block is executed; each line of a `text` block
is a line of the output so far. Addresses of the page stand for those of the running servers.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components import client_programs
from tests.gateway.stores import StoreServer
from tests.process.daypass import BIN, clean_environment, serving
from tests.process.daypass_gateway import gateway, key_file

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:#|//|--) (~?[\w./-]+)\n")
_SECONDS = 240
_SERVER, _GATEWAY = "127.0.0.1:7878", "127.0.0.1:7880"


@dataclass(frozen=True)
class DocumentedSetup:
    """A server, a gateway, and a home directory with the profiles of docs/gateway.md."""

    home: Path
    addresses: Mapping[str, str]

    def run(self, commands: str, *programs: Path) -> "subprocess.CompletedProcess[str]":
        """Run commands of a page in the home directory. `programs` come first on the PATH."""
        path = os.pathsep.join(map(str, (*programs, BIN.parent, *client_programs(), "/usr/local/bin:/usr/bin:/bin")))
        return subprocess.run(
            ["bash", "-u"],
            input=self._at_this_setup(commands),
            env=clean_environment({"HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true", "PATH": path}),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def run_page(self, name: str, *programs: Path) -> str:
        """Write the files of a page, run its commands, compare its output, and return the output."""
        output = ""
        for language, text in blocks(name):
            if language == "text":
                missing = [line for line in text.splitlines() if line.strip() and line.strip() not in output]
                assert missing == [], output
            elif (named := _FILE.match(text)) is not None:
                path = Path(named[1].replace("~", str(self.home)))
                (self.home / path).parent.mkdir(parents=True, exist_ok=True)
                (self.home / path).touch(mode=0o600)
                (self.home / path).write_text(self._at_this_setup(text[named.end() :]))
            elif language == "bash":
                ended = self.run("set -e -o pipefail\n" + text, *programs)
                assert ended.returncode == 0, f"{ended.stdout[-4_000:]}\n{ended.stderr[-4_000:]}"
                output += ended.stdout
        return output

    def _at_this_setup(self, text: str) -> str:
        for shown, running in self.addresses.items():
            text = text.replace(shown, running)
        return text


def blocks(name: str) -> list[tuple[str, str]]:
    """Return the language and the text of each block of a page."""
    page = (DOCS / name).read_text(encoding="utf-8")
    return [(found[1].strip(), found[2]) for found in _BLOCK.finditer(page)]


@contextmanager
def documented_setup(folder: Path, store: StoreServer) -> Iterator[DocumentedSetup]:
    """Run the server and the gateway, and the commands of docs/gateway.md that make a role and its profile."""
    accounts = f"sqlite:///{folder / 'd.db'}"
    home = folder / "home"
    (home / ".aws").mkdir(parents=True)
    words = ("--backend", store.url, "--backend-key-file", key_file(folder, store), "--profile", store.name)
    with serving(accounts, environment={}) as server, gateway(accounts, *words) as running:
        [first] = folder.glob("daypass-root-*.ini")
        address = running.url.removeprefix("http://")
        credentials, config = first.read_text().replace(_GATEWAY, address).split("# For ~/.aws/config\n")
        (home / ".aws/credentials").write_text(credentials)
        (home / ".aws/config").write_text(config)
        setup = DocumentedSetup(home, {_SERVER: server.url.removeprefix("http://"), _GATEWAY: address})
        setup.run(next(text for language, text in blocks("gateway.md") if language == "bash" and "aws s3 mb" in text))
        yield setup
