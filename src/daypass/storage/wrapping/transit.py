"""A master key in the Transit engine of HashiCorp Vault or OpenBao.

Owns the sign-in, the two calls, and the meaning of refusals. The data key is encrypted with a prefix, so that a value
that was encrypted for another purpose under the same key is refused. A token of a sign-in is revoked after its use; a
token that the operator gave is not, and is not renewed either: Daypass needs it at the start only.
Source: OpenBao and Vault API, "Transit secrets engine", "Kubernetes auth method", "AppRole auth method".
"""

import base64
import binascii
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from daypass.key_files import KeyFileError, read_key_file
from daypass.storage.refusals import MasterKeyMissingError, StoreOpenError, WrongMasterKeyError
from daypass.storage.wrapping.transit_address import SERVICE_ACCOUNT_TOKEN, TransitAddress
from daypass.storage.wrapping.transit_http import CALL_SECONDS, TransitClient, TransitRefusedError

_PREFIX = b"daypass data key v1\0"
_MOST_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class TransitKey:
    """A key that never leaves Vault.

    `token` is the value of VAULT_TOKEN, or empty.
    """

    address: TransitAddress
    token: str = field(default="", repr=False)
    call_seconds: float = CALL_SECONDS

    @property
    def scheme(self) -> str:
        """The kind of the provider."""
        return "vault"

    @property
    def name(self) -> str:
        """The address of the key."""
        return self.address.name

    def wrap(self, data_key: bytes, /) -> bytes:
        """Return the data key, encrypted by the server."""
        plaintext = base64.b64encode(_PREFIX + data_key).decode()
        ciphertext = self._call("encrypt", {"plaintext": plaintext})[0]
        if not ciphertext:
            raise self._client().unavailable("its answer has no ciphertext")
        return ciphertext.encode()

    def unwrap(self, wrapped: bytes, /) -> bytes:
        """Return the data key, decrypted by the server."""
        plaintext = self._call("decrypt", {"ciphertext": wrapped.decode("ascii", "replace")})[1]
        try:
            opened = base64.b64decode(plaintext, validate=True)
        except binascii.Error:
            opened = b""
        if not opened.startswith(_PREFIX):
            raise WrongMasterKeyError(f"the master key {self.name} opens a value that is not a data key of Daypass")
        return opened.removeprefix(_PREFIX)

    def _call(self, action: str, body: dict[str, str]) -> tuple[str, str]:
        """Return the ciphertext and the plaintext of an answer."""
        with self._signed_in() as token:
            try:
                answer = self._client().post(f"{self.address.mount}/{action}/{self.address.key}", body, token)
            except TransitRefusedError as refusal:
                raise self._explain(refusal, action) from refusal
        return (answer.data.ciphertext, answer.data.plaintext) if answer.data is not None else ("", "")

    def _client(self) -> TransitClient:
        return TransitClient(self.address, call_seconds=self.call_seconds)

    @contextlib.contextmanager
    def _signed_in(self) -> Iterator[str]:
        """Yield a token for one call."""
        options = self.address.options
        if self.address.auth == "token":
            token = self._read_secret(options["token_file"], "token_file") if "token_file" in options else self.token
            if not token.strip():
                raise MasterKeyMissingError(
                    f"the master key {self.name} needs a token: set VAULT_TOKEN, or the option token_file"
                )
            yield self._header_value(token.strip())
            return
        token = self._sign_in()
        try:
            yield token
        finally:
            # It would expire anyway.
            with contextlib.suppress(StoreOpenError, TransitRefusedError):
                TransitClient(self.address, call_seconds=1.0).post("auth/token/revoke-self", {}, token)

    def _sign_in(self) -> str:
        options = self.address.options
        if self.address.auth == "kubernetes":
            # The kubelet chooses the mode of this file, so it is not checked.
            body = {"role": options["role"], "jwt": self._read(options.get("jwt_file", SERVICE_ACCOUNT_TOKEN))}
        else:
            secret = self._read_secret(options["secret_id_file"], "secret_id_file")
            body = {"role_id": options["role_id"], "secret_id": secret}
        try:
            answer = self._client().post(f"auth/{self.address.auth_mount}/login", body)
        except TransitRefusedError as refusal:
            raise self._client().unavailable(
                f"the sign-in with auth={self.address.auth} was refused: {refusal.status} {refusal.reason}"
            ) from refusal
        if answer.auth is None or not answer.auth.client_token:
            raise self._client().unavailable("the answer to the sign-in has no token")
        return self._header_value(answer.auth.client_token)

    def _header_value(self, token: str) -> str:
        if not token.isascii() or not token.isprintable():
            raise self._client().unavailable("the token has characters that a token cannot have")
        return token

    def _read_secret(self, file: str, option: str) -> str:
        try:
            return read_key_file(Path(file), most_bytes=_MOST_TOKEN).decode().strip()
        except KeyFileError as error:
            raise StoreOpenError(f"DAYPASS_MASTER_KEY: {option}: {error}") from error
        except UnicodeDecodeError:
            raise StoreOpenError(f"DAYPASS_MASTER_KEY: {option}: {file} does not contain text") from None

    def _read(self, file: str) -> str:
        try:
            with Path(file).open("rb") as opened:
                return opened.read(_MOST_TOKEN).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise StoreOpenError(f"DAYPASS_MASTER_KEY: jwt_file: {file} cannot be read: {reason}") from error

    def _explain(self, refusal: TransitRefusedError, action: str) -> StoreOpenError:
        reason = refusal.reason
        place = f"{self.address.mount}/{action}/{self.address.key}"
        if refusal.status == HTTPStatus.FORBIDDEN:
            return self._client().unavailable(
                f"the token is not valid or lacks a permission; its policy needs `update` on {place}"
            )
        if refusal.status == HTTPStatus.NOT_FOUND or "not found" in reason or "no handler" in reason:
            return self._client().unavailable(f"the key or the mount does not exist ({reason or refusal.status})")
        if "too old" in reason or "disallowed by policy" in reason:
            return self._client().unavailable(
                f"min_decryption_version of the key is higher than the version that encrypted the data key; lower it, "
                f"then run `daypass master-key rotate` ({reason})"
            )
        if action == "decrypt":
            return WrongMasterKeyError(f"the master key {self.name} does not open this store ({reason})")
        return self._client().unavailable(f"{refusal.status} {reason}")
