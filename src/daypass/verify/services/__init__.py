"""The rules of a service of one's own: permissions and answers.

Owns the routes, the condition keys of a request, the decision with a caller's policies, and the answers of refusals.
Pure.
Leaves the frameworks to the middlewares (verify/asgi.py, verify/wsgi.py), and proxies to daypass.gateway.
"""
