"""Exit with 0 if Daypass answers in this container, else with 1 and the reason.

Owns the health check of the image. HEALTH_URL replaces the address, for example for a gateway's administration listener
(http://127.0.0.1:7881/healthz). A server that drains is alive, so the default is /healthz and not /readyz.
"""

import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

_SECONDS = 4  # less than the timeout of the image's HEALTHCHECK


def main() -> int:
    """Ask once, and return the exit code."""
    scheme = "https" if os.environ.get("DAYPASS_TLS_CERT") else "http"
    port = os.environ.get("DAYPASS_PORT", "7878")
    url = urlsplit(os.environ.get("HEALTH_URL") or f"{scheme}://127.0.0.1:{port}/healthz")
    try:
        connection = _connect(url.scheme, url.hostname or "127.0.0.1", url.port)
        connection.request("GET", url.path or "/healthz")
        status = connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"{url.geturl()} does not answer: {error}")
        return 1
    if status != http.client.OK:
        print(f"{url.geturl()} returned {status}")
        return 1
    return 0


def _connect(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=_SECONDS)
    context = ssl.create_default_context()
    # The certificate is for the public name. The connection does not leave the container, and sends no secret.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)


if __name__ == "__main__":
    sys.exit(main())
