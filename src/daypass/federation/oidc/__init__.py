"""OpenID Connect: a web identity token in, a WebIdentity out; fetching is guarded and kept apart."""
