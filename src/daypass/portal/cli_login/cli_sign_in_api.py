"""The two endpoints of a CLI sign-in: request and redeem.

Owns parsing and responses (docs/handover.md). Leaves the states of a CLI sign-in to cli_sign_ins.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from daypass.audit.response_elements import encode_answer
from daypass.audit.user_identity import identity_of_person
from daypass.errors import Fault, Throttling
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.cli_login.cli_sign_ins import CliSignIn, Delivery, Mode, NotRedeemedError
from daypass.portal.cli_login.loopback_address import is_loopback_address
from daypass.portal.cli_login.sealed_assertion import is_public_key
from daypass.portal.site import Site, peer_of

LARGEST = 8_192
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[A-Za-z0-9_-]{16,128}")
_ROLE = re.compile(r"arn:aws:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
_DURATION = re.compile(r"[1-9][0-9]{2,5}|")
_LONGEST_MACHINE = 100
_MODES: Mapping[str, Mode] = {"loopback": "loopback", "device": "device"}

_DELIVERIES: Mapping[str, Delivery] = {"credentials": "credentials", "assertion": "assertion"}


@dataclass(frozen=True, slots=True)
class CliSignInApi:
    """The two endpoints."""

    site: Site

    def begin(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """POST /handover: start a CLI sign-in."""
        try:
            new = _read(fields, peer_of(request))
            with self.site.ctx() as ctx:
                pending = cli_sign_ins.begin(new, ctx)
                handle = cli_sign_ins.handle_of(pending, ctx)
        except NotRedeemedError as refused:
            return _refused(refused)
        except Throttling:
            return _refused(
                NotRedeemedError("slow_down", "Too many CLI sign-ins are pending for this address."), status=429
            )
        public = self.site.settings.public_url
        return pages.json_answer(
            {
                "handover": handle,
                "user_code": cli_sign_ins.shown_code(pending),
                "url": f"{public}/handover/at/{handle}" if pending.mode == "loopback" else f"{public}/device",
                "expires_in": int(cli_sign_ins.MINUTES.total_seconds()),
                "interval": cli_sign_ins.INTERVAL,
            }
        )

    def redeem(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /handover/token: return the approved result, once."""
        handle, verifier, code = (fields.get(name, "") for name in ("handover", "code_verifier", "code"))
        try:
            with self.site.ctx() as ctx:
                result, settled = cli_sign_ins.redeem(handle, verifier, code, ctx)
        except NotRedeemedError as refused:
            if refused.error != "authorization_pending":
                fault = Fault(refused.error, detail=refused.description)
                self.site.record("RedeemHandover", request, request_id, fault=fault)
            return _refused(refused)
        self._record(request, request_id, settled, result)
        return pages.json_answer(result)

    def _record(self, request: Request, request_id: str, settled: CliSignIn, result: Mapping[str, Any]) -> None:
        """Record who got which key: the person approved it, and the command has it."""
        who, parameters = settled.approver, {"Mode": settled.mode, "Deliver": settled.deliver}
        parameters |= {name: result[name] for name in ("RoleArn", "PrincipalArn") if name in result}
        self.site.record(
            "RedeemHandover",
            request,
            request_id,
            parameters={**parameters, "Machine": settled.machine} if settled.machine else parameters,
            sign_in=None if who is None or not who.sign_in else {"SignInId": who.sign_in},
            person=None if who is None else identity_of_person(who.kind, who.subject, who.provider, who.account),
            answer=encode_answer(result),
        )


def _read(fields: Mapping[str, str], peer: str) -> CliSignIn:
    """Return the requested CLI sign-in. Raises NotRedeemedError if it is invalid."""
    mode = _MODES.get(fields.get("mode", ""))
    if mode is None:
        raise _unreadable("mode must be loopback or device")
    given = {name: fields.get(name, "") for name in ("redirect_uri", "state", "machine", "role", "duration")}
    machine = given["machine"]
    is_loopback = mode == "loopback"
    deliver = _DELIVERIES.get(fields.get("deliver", "credentials"))
    public_key = fields.get("public_key", "") if deliver == "assertion" else ""
    checks = (
        (_CHALLENGE.fullmatch(fields.get("code_challenge", "")), "code_challenge must be 43 characters of base64url"),
        (deliver is not None, "deliver must be credentials or assertion"),
        (deliver != "assertion" or is_public_key(public_key), "public_key must be an X25519 key in base64url"),
        (
            len(machine) <= _LONGEST_MACHINE and machine.isprintable(),
            "machine must be at most 100 printable characters",
        ),
        (not given["role"] or _ROLE.fullmatch(given["role"]), "role must be the ARN of a role"),
        (_DURATION.fullmatch(given["duration"]), "duration must be a number of seconds"),
        (is_loopback == bool(given["redirect_uri"]), "redirect_uri is required with loopback and only allowed there"),
        (is_loopback == bool(given["state"]), "state is required with loopback and only allowed there"),
        (
            not is_loopback or is_loopback_address(given["redirect_uri"]),
            "redirect_uri must be http://127.0.0.1:PORT/ or http://[::1]:PORT/",
        ),
        (
            not is_loopback or _STATE.fullmatch(given["state"]),
            "state must be 16 to 128 characters of A-Z, a-z, 0-9, - and _",
        ),
    )
    for holds, rule in checks:
        if not holds:
            raise _unreadable(rule)
    return CliSignIn(
        mode=mode,
        challenge=fields["code_challenge"],
        user_code="",
        peer=peer,
        redirect_uri=given["redirect_uri"],
        state=given["state"],
        machine=machine,
        role=given["role"],
        duration=given["duration"],
        deliver=deliver or "credentials",
        public_key=public_key,
    )


def _unreadable(rule: str) -> NotRedeemedError:
    return NotRedeemedError("invalid_request", f"{rule}.")


def _refused(refused: NotRedeemedError, *, status: int = 400) -> Response:
    return pages.json_answer({"error": refused.error, "error_description": refused.description}, status=status)
