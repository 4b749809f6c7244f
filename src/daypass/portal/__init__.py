"""The web pages for people: sign in, choose a role, take credentials.

Owns the application, its templates and assets, the bounds and checks of a browser's request, and the
pending logins in the store.
Leaves the pages to login/, roles/, cli_login/ and operator/. A page calls the API through the same
pipeline as every other caller.
"""
