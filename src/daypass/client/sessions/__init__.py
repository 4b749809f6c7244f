"""Sessions: from a credential request to credentials.

The credentials are cached or fetched from STS.
Owns the cache, the calls to STS and their order, and the key under which a session is cached.
Leaves the sign-in to sign_in/ and the profiles to profiles/.
"""
