"""The start URL: the portal for a person, the identifier for the AWS CLI."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from daypass.portal.site import Site
from daypass.sign_in.start_url import get_start_url


class StartPage:
    """GET and HEAD of the start URL."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """Redirect a client to the identifier, and a browser to the portal."""
        if request.method == "HEAD":
            # The AWS CLI follows one redirect of a HEAD request, and accepts it if it leads to a host of AWS's.
            with self._site.ctx() as ctx:
                return RedirectResponse(get_start_url(ctx), 302, {"cache-control": "no-store"})
        return RedirectResponse("/roles", 303, {"cache-control": "no-store"})
