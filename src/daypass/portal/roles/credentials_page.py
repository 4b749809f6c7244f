"""The page with the credentials of a role.

Owns the order of the ways to use them: a profile of the AWS CLI first, which needs no copied secret. Leaves the texts
to credential_formats.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from daypass.portal import pages
from daypass.portal.credential_formats import (
    FORMS,
    SHELLS,
    ClientProfile,
    RoleCredentials,
    client_profile,
    sign_in_command,
)
from daypass.portal.roles.role_list import account_alias
from daypass.portal.site import Site
from daypass.sign_in.start_url import get_start_url


@dataclass(frozen=True, slots=True)
class CredentialsPage:
    """The last step of the choice of a role, for every kind of sign-in."""

    site: Site

    def show(self, request: Request, document: Mapping[str, Any], role: str, *, lasts: bool = False) -> Response:
        """Return the credentials in a response of STS, as a page or as JSON.

        `lasts` says that the person has a sign-in session, from which programs get further credentials.
        """
        settings, name = self.site.settings, role.rpartition("/")[2]
        document = {**document, "EndpointUrl": settings.public_url, "RoleName": name}
        if pages.is_json_wanted(request):
            return pages.json_answer(document)
        given, account = document["Credentials"], role.split(":")[4]
        key_id, secret, token = (given[each] for each in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
        ends, region = given["Expiration"], self.site.region
        credentials = RoleCredentials(key_id, secret, token, ends, name, settings.public_url, region, settings.s3_url)
        method = "oidc" if "SubjectFromWebIdentityToken" in document else "saml"

        secrets, is_served = (secret, token), lasts and settings.sign_in_api
        values = {
            "it": document,
            "ends": instant(datetime.fromisoformat(ends)),
            "seconds": seconds_until(ends, self.site.pipeline.now()),
            "account": account,
            "alias": self._alias(account),
            "shells": [
                (key, form.label, form.file, _parts(form.write(credentials), secrets)) for key, form in SHELLS.items()
            ],
            "profile": _parts(FORMS["profile"].write(credentials), secrets),
            "services": _parts(FORMS["config"].write(credentials), secrets),
            "command": sign_in_command(credentials, role, method),
            "client_profile": _parts(self._client_profile(credentials, account), secrets) if is_served else [],
            "lasts": lasts,
        }
        return pages.page("credentials.html", values)

    def _alias(self, account: str) -> str:
        with self.site.ctx() as ctx:
            return account_alias(account, ctx)

    def _client_profile(self, credentials: RoleCredentials, account: str) -> str:
        with self.site.ctx() as ctx:
            profile = ClientProfile(credentials.name, account, get_start_url(ctx), credentials.region)
        return client_profile(profile, endpoint=credentials.endpoint, s3_endpoint=credentials.s3_endpoint)


def instant(moment: datetime) -> str:
    """Return an instant as AWS prints it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_until(ends: str, now: datetime) -> int:
    """Return the seconds that remain, at least 0."""
    return max(0, int((datetime.fromisoformat(ends) - now).total_seconds()))


def _parts(text: str, secrets: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Return the parts of a text, and whether each is a secret that the page hides."""
    parts = re.split("|".join(map(re.escape, secrets)), text)
    hidden = re.findall("|".join(map(re.escape, secrets)), text)
    found = [(parts[0], False)]
    for secret, following in zip(hidden, parts[1:], strict=True):
        found += [(secret, True), (following, False)]
    return found
