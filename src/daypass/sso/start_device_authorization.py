"""StartDeviceAuthorization: a program without a browser asks for a code.

Leaves the states of the request to sign_in/device_codes.py, and the approval to the portal's page /device.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.sign_in import device_codes
from daypass.sign_in.clients import verify_client
from daypass.sign_in.device_codes import DeviceRequest
from daypass.sign_in.short_codes import shown_code
from daypass.sso.register_client import DEVICE_CODE, require_start_url
from daypass.sso.rest_action import OfSsoOidc, RestCall
from daypass.wire.rest_faults import UnauthorizedClientException


class StartDeviceAuthorizationParams(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters."""

    client_id: str
    client_secret: str
    start_url: str

    def __repr__(self) -> str:
        return "<secret>"


class StartDeviceAuthorization(OfSsoOidc):
    """Begins the sign-in of a program on another machine."""

    name = "StartDeviceAuthorization"
    takes = StartDeviceAuthorizationParams

    def answer(self, params: StartDeviceAuthorizationParams, call: RestCall) -> Mapping[str, Any]:
        """Return the device code of the program, and the short code to show."""
        ctx = call.ctx
        client = verify_client(params.client_id, params.client_secret, ctx)
        call.recorded["clientId"] = client.id
        if DEVICE_CODE not in client.grant_types:
            raise UnauthorizedClientException(f"The client is not registered for the grant {DEVICE_CODE}.")
        require_start_url(params.start_url, ctx)
        waiting = device_codes.begin(
            DeviceRequest(
                id="", client_id=client.id, client_name=client.name, scopes=client.scopes, peer=call.request.peer
            ),
            ctx,
        )
        page, code = f"{ctx.settings.public_url}/device", shown_code(waiting.user_code)
        return {
            "deviceCode": device_codes.device_code_of(waiting, ctx),
            "userCode": code,
            "verificationUri": page,
            "verificationUriComplete": f"{page}?user_code={code}",
            "expiresIn": int(device_codes.MINUTES.total_seconds()),
            "interval": device_codes.INTERVAL,
        }
