"""Messages about the certificate and the key of a listener."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from daypass.http.tls_files import check_certificate
from daypass.http.workers import ListenError
from daypass.testing.certificates import Authority

HOSTS = ["127.0.0.1"]


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return two files, each with a certificate and its key."""
    folder, authority = tmp_path_factory.mktemp("tls"), Authority.create()
    paths = [authority.write_server_identity(folder / name, HOSTS) for name in ("one.pem", "other.pem")]
    return paths[0].read_bytes(), paths[1].read_bytes()


def with_passphrase(identity: bytes) -> bytes:
    """Return the key, encrypted."""
    key = load_pem_private_key(identity, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


def damaged(identity: bytes, label: str) -> bytes:
    """Return the file with the content of its first block of a kind replaced."""
    pattern = f"(-----BEGIN {label}-----).*?(-----END {label}-----)".encode()
    return re.sub(pattern, rb"\1\nAAAA\n\2", identity, count=1, flags=re.DOTALL)


def refusal(folder: Path, certificate: bytes | None, key: bytes | None) -> str:
    """Return the message about two files. None means that the file does not exist."""
    for name, content in (("c.pem", certificate), ("k.pem", key)):
        if content is not None:
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)
    with pytest.raises(ListenError) as caught:
        check_certificate(str(folder / "c.pem"), str(folder / "k.pem"))
    return str(caught.value).replace(f"{folder}/", "")


def test_files_that_belong_together_are_loaded(tmp_path: Path, identities: tuple[bytes, bytes]) -> None:
    """Both may be the same file."""
    path = tmp_path / "both.pem"
    path.write_bytes(identities[0])
    path.chmod(0o600)
    check_certificate(str(path), str(path))


def test_a_message_names_the_file_and_the_fault(tmp_path: Path, identities: tuple[bytes, bytes]) -> None:
    """OpenSSL says only "PEM lib" to some of these."""
    one, other = identities
    assert refusal(tmp_path, None, one).startswith("--tls-cert: c.pem cannot be read: No such file or directory. ")
    assert refusal(tmp_path, b"text", one).startswith("--tls-cert: c.pem does not contain a certificate in PEM form. ")
    assert refusal(tmp_path, one, b"text").startswith("--tls-key: k.pem does not contain a private key in PEM form. ")
    assert refusal(tmp_path, one, with_passphrase(one)).startswith("--tls-key: k.pem has a passphrase. ")
    mismatch = refusal(tmp_path, one, other)
    assert mismatch.startswith("--tls-key: k.pem does not belong to the certificate in c.pem. ")
    cut = refusal(tmp_path, damaged(one, "CERTIFICATE"), one)
    assert cut.startswith("--tls-cert: c.pem has a damaged certificate. ")
    assert refusal(tmp_path, one, damaged(one, "PRIVATE KEY")).startswith("--tls-key: k.pem is damaged. ")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, identities: tuple[bytes, bytes]) -> None:
    """A folder cannot be read either, even by root."""
    (tmp_path / "k.pem").mkdir()
    assert refusal(tmp_path, identities[0], None).startswith("--tls-key: k.pem cannot be read: Is a directory. ")
