"""SAML 2.0: a response in, a SamlIdentity out. Pure: no I/O, no clock, no randomness."""
