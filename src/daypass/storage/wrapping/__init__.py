"""Wrapping providers: the places that can keep the master key.

Owns the protocol, the choice by a setting, and the providers outside of this process: the Transit engine of Vault and
OpenBao, and a token behind PKCS#11. A provider encrypts and decrypts the data keys, and learns nothing of the secrets.
Leaves the key as text or in a file to master_key.py, and the records with wrapped keys to keyring.py.
"""
