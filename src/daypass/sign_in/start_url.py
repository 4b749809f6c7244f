"""The start URL, by which AWS's clients name this deployment.

Owns its two forms and their comparison:

* `https://identitycenter.amazonaws.com/ssoins-<identifier>` works with every client. It is a name: clients do not
  connect to it. AWS CLI 2.35.13 and later accept only AWS's own hosts in a start URL.
* `https://<public host>/start` is the address that people know. HEAD redirects to the first form, because the AWS CLI
  follows one redirect to an AWS host. Older clients send this form as it is.
"""

from daypass.directory.deployment import create_deployment_identifier, load_deployment_identifier
from daypass.operations.request_context import RequestContext

PATH = "/start"
_NAMESPACE = "https://identitycenter.amazonaws.com/ssoins-"


def get_start_url(ctx: RequestContext) -> str:
    """Return the first form of the start URL.

    The first call in a store creates the identifier: it raises WouldBlockError on the event loop.
    """
    identifier = ctx.views.get(load_deployment_identifier)
    if not identifier:
        with ctx.new_transaction() as writer:
            identifier = create_deployment_identifier(writer, ctx.entropy)
    return _NAMESPACE + identifier


def is_start_url(given: str, ctx: RequestContext) -> bool:
    """Return whether a URL is a start URL of this deployment, in either form.

    People copy addresses with a slash or a fragment sign at the end.
    """
    url = given.rstrip("/#")
    return url in {get_start_url(ctx), ctx.settings.public_url + PATH}
