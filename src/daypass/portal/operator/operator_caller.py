"""The verified caller behind an operator session.

Owns the way from the credentials of a session to their caller, for Daypass's own actions, which the wire cannot call: a
signed request, verified like one from the network, so that expired and revoked credentials are refused.
"""

from starlette.requests import Request

from daypass.authenticate.authenticate import Lookup, authenticate
from daypass.authenticate.caller import Caller
from daypass.authenticate.sigv4.find import find_signature
from daypass.authorize.session_limits import check_session_limits
from daypass.portal.operator.operator_sessions import OperatorCredentials
from daypass.portal.operator.signed_call import SigV4Credentials, signed_call
from daypass.portal.site import Site, as_sent

_SERVICE = "daypass"


def operator_caller(site: Site, request: Request, held: OperatorCredentials) -> Caller:
    """Return the caller behind the credentials. Raises the Fault of AWS."""
    pipeline, view = site.pipeline, site.store_view
    signer = SigV4Credentials(held.key_id, held.secret, held.token, _SERVICE, pipeline.home_region, pipeline.now())
    host = site.settings.public_url.partition("://")[2].partition("/")[0]
    call = signed_call(as_sent(request), {}, host=host, signer=signer)
    lookup = Lookup(view.views, pipeline.keychain, view.sealing_ring, pipeline.is_region, pipeline.now())
    verified = authenticate(find_signature(call), call, services=frozenset({_SERVICE}), lookup=lookup)
    # Sessions that cannot call IAM cannot use the console's own actions either.
    check_session_limits(verified, "iam", "PutRolePolicy", regions=pipeline.regions)
    return verified.caller
