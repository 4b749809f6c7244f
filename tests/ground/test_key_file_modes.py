"""Files with a secret: the same rule for every setting that names one, with the modes of Kubernetes and systemd.

The table of owners and modes is in tests/gateway/test_settings.py; here are the settings and the shapes of files.
"""

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from daypass.cli.operators.saml import read_private_key
from daypass.cli.operators.serve import _read_setting
from daypass.cli.shared.secret_source import SecretSource
from daypass.client.sign_in.token_claims import read_secret_file
from daypass.config import ClientSetting, Config
from daypass.gateway.settings import BackendSetting, read_backend_key
from daypass.http.tls_files import check_certificate
from daypass.key_files import KeyFileError, read_key_file
from daypass.storage.address import MemoryAddress, SqliteAddress
from daypass.storage.master_key import find_master_key
from daypass.storage.wrapping.pkcs11_address import Pkcs11Address
from daypass.storage.wrapping.pkcs11_token import Pkcs11Key
from daypass.storage.wrapping.transit import TransitKey
from daypass.storage.wrapping.transit_address import parse_transit_address
from daypass.testing.certificates import Authority
from daypass.wiring import oidc_clients

SOURCE = Path(__file__).parents[2] / "src/daypass"


def _root_secret(file: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYPASS_ROOT_SECRET_ACCESS_KEY_FILE", str(file))
        return _read_setting("DAYPASS_ROOT_SECRET_ACCESS_KEY")


def _tls_key(file: Path) -> object:
    certificate = Authority.create().write_server_identity(file.with_name("certificate.pem"), ["localhost"])
    check_certificate(str(certificate), str(file))
    return file


def _transit(options: str) -> object:
    return TransitKey(parse_transit_address(f"vault:http://127.0.0.1:1/transit/key?{options}"), "", 0.1).wrap(b"")


# Each setting that names a file with a secret, and the code that reads it.
READERS: Mapping[str, Callable[[Path], object]] = {
    "DAYPASS_MASTER_KEY_FILE": lambda file: find_master_key(MemoryAddress(), text=None, file=file, store_is_empty=True),
    "master.key": lambda file: find_master_key(
        SqliteAddress(file.with_name("daypass.db")), text=None, file=None, store_is_empty=False
    ),
    "DAYPASS_ROOT_SECRET_ACCESS_KEY_FILE": _root_secret,
    "oidc_clients": lambda file: oidc_clients(
        Config(oidc_clients=(ClientSetting("https://idp.example", "x", str(file)),))
    ),
    "tls_key": _tls_key,
    "backend_key_file": lambda file: read_backend_key(BackendSetting("a", "http://127.0.0.1:1", str(file))),
    "login --client-secret-file": lambda file: read_secret_file(str(file)),
    "--secrets-dir": lambda file: SecretSource({}, file.parent).find(file.name),
    "saml inspect --private-key": read_private_key,
    "pin-source": lambda file: Pkcs11Key(Pkcs11Address("/m.so", "t", label="o", pin_source=str(file))).wrap(b""),
    "token_file": lambda file: _transit(f"token_file={file}"),
    "secret_id_file": lambda file: _transit(f"auth=approle&role_id=r&secret_id_file={file}"),
}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o606])
@pytest.mark.parametrize("setting", READERS)
def test_an_open_file_is_refused(setting: str, mode: int, tmp_path: Path) -> None:
    """The message contains the command that repairs it."""
    file = tmp_path / "master.key"
    file.write_text("a secret of the tests, long enough")
    file.chmod(mode)
    with pytest.raises(Exception, match=f"chmod 600 {file}"):
        READERS[setting](file)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_is_read(mode: int, tmp_path: Path) -> None:
    """The mode of its directory does not matter: Kubernetes mounts secrets where everybody may list them."""
    tmp_path.chmod(0o1777)
    file = tmp_path / "key"
    file.write_text("secret")
    file.chmod(mode)
    assert read_key_file(file, most_bytes=10) == b"secret"


def test_the_links_of_kubernetes_are_followed(tmp_path: Path) -> None:
    """A Secret is mounted as key -> ..data/key, and ..data -> ..2026_11_30. The mode of the last file counts."""
    (tmp_path / "..2026_11_30").mkdir()
    (tmp_path / "..data").symlink_to("..2026_11_30")
    file = tmp_path / "..2026_11_30" / "key"
    file.write_text("secret")
    file.chmod(0o400)
    (tmp_path / "key").symlink_to("..data/key")
    assert read_key_file(tmp_path / "key", most_bytes=10) == b"secret"
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="open to other users"):
        read_key_file(tmp_path / "key", most_bytes=10)


# Files whose names say that they read a secret, but which are not of this rule, and why.
_OTHER_READS = {
    "storage/wrapping/transit.py",  # the kubelet chooses the mode of a service account's token
}
_WORDS = ("secret", "pin_source", "passphrase", "token_file", "key_file", "private_key")


def test_secret_files_are_read_in_one_place() -> None:
    """A call that opens a file by a name such as `secret_file` goes through key_files.py."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith(("client/", "cli/people/", "testing/", "dev/")) or name == "key_files.py":
            continue
        text = path.read_text(encoding="utf-8")
        if not ("read_text" in text or "read_bytes" in text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                reads = node.func.attr in {"read_text", "read_bytes"}
                if reads and any(word in ast.unparse(node.func.value).lower() for word in _WORDS):
                    found.add(name)
    assert found <= _OTHER_READS, found - _OTHER_READS
