"""A master key in a token behind PKCS#11: with SoftHSM, and with addresses and modules that are wrong."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.components import COMPONENTS

from daypass.storage.refusals import (
    MasterKeyMissingError,
    MasterKeyUnavailableError,
    StoreOpenError,
    WrongMasterKeyError,
)
from daypass.storage.wrapping.pkcs11_address import parse_pkcs11_address
from daypass.storage.wrapping.pkcs11_token import Pkcs11Key

DATA_KEY = bytes(range(32))
PIN = "648219"
_MAKE = """
import sys, pkcs11
for token in pkcs11.lib(sys.argv[1]).get_tokens():
    if token.label == "Daypass":
        with token.open(rw=True, user_pin=sys.argv[2]) as session:
            for label in ("master-key", "other", "twice", "twice"):
                session.generate_key(pkcs11.KeyType.AES, 256, store=True, label=label)
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Make a token with keys, and return the path of SoftHSM's module."""
    found = COMPONENTS["softhsm"].find()
    assert found is not None
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(config))
        for label in ("Daypass", "Empty"):
            subprocess.run(
                ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        # In a process of its own, like every use of a module.
        subprocess.run([sys.executable, "-c", _MAKE, found, PIN], check=True)
        yield found


def key(module: str, path: str = "token=Daypass;object=master-key", pin: str = PIN, query: str = "") -> Pkcs11Key:
    """Return a provider."""
    return Pkcs11Key(parse_pkcs11_address(f"pkcs11:{path}?module-path={module}{query}"), pin)


@pytest.mark.component("softhsm")
def test_a_token_returns_the_data_key(module: str, tmp_path: Path) -> None:
    """Every wrapping differs, only the same key opens it, and a changed value does not open."""
    provider = key(module)
    first, second = provider.wrap(DATA_KEY), provider.wrap(DATA_KEY)
    assert first != second
    assert DATA_KEY not in first
    assert provider.unwrap(first) == DATA_KEY
    for wrong, value in ((key(module, "token=Daypass;object=other"), first), (provider, first[:-1] + b"\0")):
        with pytest.raises((WrongMasterKeyError, MasterKeyUnavailableError)):
            wrong.unwrap(value)
    assert PIN not in repr(provider)
    file = tmp_path / "pin"
    file.touch(mode=0o600)
    file.write_text(f"{PIN}\n")
    assert key(module, pin="", query=f"&pin-source=file:{file}").unwrap(first) == DATA_KEY
    file.chmod(0o640)
    with pytest.raises(StoreOpenError, match=r"(?s)pin-source: .*chmod 600"):
        key(module, pin="", query=f"&pin-source={file}").unwrap(first)


@pytest.mark.slow
@pytest.mark.component("softhsm")
@pytest.mark.parametrize(
    ("path", "pin", "message"),
    [
        ("token=Daypass;object=master-key", "000000", "refuses the PIN. It was tried once"),
        ("token=Missing;object=master-key", PIN, "the token does not exist"),
        ("token=Daypass;object=missing", PIN, "no such secret key"),
        ("token=Empty;object=master-key", PIN, "no such secret key"),
        ("token=Daypass;object=twice", PIN, "several keys match"),
    ],
    ids=["pin", "token", "object", "empty token", "twice"],
)
def test_refusals_of_a_token_are_explained(module: str, path: str, pin: str, message: str) -> None:
    """The message says what to correct, and never contains the PIN."""
    with pytest.raises(MasterKeyUnavailableError, match=message) as refused:
        key(module, path, pin).wrap(DATA_KEY)
    assert pin not in str(refused.value)


@pytest.mark.slow
@pytest.mark.component("softhsm")
def test_a_token_that_was_removed_is_named(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there at the last start."""
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    with pytest.raises(MasterKeyUnavailableError, match="does not exist or is not present"):
        key(module).wrap(DATA_KEY)


def test_a_missing_or_broken_module_is_named(tmp_path: Path) -> None:
    """A file that is not a module, and one that does not exist."""
    (tmp_path / "broken.so").write_bytes(b"\x7fELF")
    for name in ("broken.so", "missing.so"):
        with pytest.raises(MasterKeyUnavailableError, match=f"{name} cannot be loaded"):
            key(str(tmp_path / name)).wrap(DATA_KEY)


def test_a_token_that_does_not_answer_is_bounded() -> None:
    """Its process is killed."""
    address = parse_pkcs11_address("pkcs11:token=t;object=o?module-path=/m.so")
    with pytest.raises(MasterKeyUnavailableError, match="did not answer within"):
        Pkcs11Key(address, PIN, 0.001).wrap(DATA_KEY)


def test_a_pin_and_the_extra_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both messages say how to give them."""
    with pytest.raises(MasterKeyMissingError, match="DAYPASS_PKCS11_PIN"):
        key("/m.so", pin="").wrap(DATA_KEY)
    monkeypatch.setattr("daypass.storage.wrapping.pkcs11_token.find_spec", lambda _: None)
    with pytest.raises(StoreOpenError, match=r"daypass\[hsm\]"):
        key("/m.so").wrap(DATA_KEY)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("pkcs11:", "name the token"),
        ("pkcs11: the passphrase of an old store", "must be in a file"),
        ("pkcs11:token=t?module-path=/m", "name the key"),
        ("pkcs11:token=t;object=o", "absolute path of the module"),
        ("pkcs11:token=t;object=o?module-path=m.so", "absolute path of the module"),
        ("pkcs11:token=t;object=o?module-path=/m&pin-value=1234", "would show the PIN"),
        ("pkcs11:token=t;object=o?module-name=m", "module-path"),
        ("pkcs11:slot-id=1;object=o?module-path=/m", "use token or serial"),
        ("pkcs11:token=t;object=o;type=private?module-path=/m", "must be secret-key"),
        ("pkcs11:token=t;token=u;object=o?module-path=/m", "given twice"),
        ("pkcs11:token=%ff;object=o?module-path=/m", "not UTF-8"),
        ("pkcs11:token=%0a;object=o?module-path=/m", "control characters"),
        ("pkcs11:token=;object=o?module-path=/m", "1 to 255 bytes"),
        ("pkcs11:token=t;object=o;color=red?module-path=/m", "'color' is not supported"),
        ("pkcs11:token=t;object=o?module-path=/m&pin-source=pin", "absolute path of a file"),
    ],
)
def test_a_wrong_address_is_refused_by_name(address: str, message: str) -> None:
    """The message says what to give instead."""
    with pytest.raises(StoreOpenError, match=message):
        parse_pkcs11_address(address)


def test_a_name_identifies_the_key() -> None:
    """The module and the source of the PIN are not part of it."""
    address = parse_pkcs11_address("pkcs11:token=My%20HSM;id=%01%ff;type=secret-key?module-path=/m&pin-source=/p")
    assert address.name == "pkcs11:token=My%20HSM;id=%01%ff"
    assert address.key_id == b"\x01\xff"
