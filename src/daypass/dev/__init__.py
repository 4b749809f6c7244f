"""Run a demonstration of the server, with people who can sign in.

Owns the people, groups and roles of the demonstration, its identity provider with its page, and the rule that all of it
stays on this machine: every visitor of the page can sign in as every person.
Leaves the server to wiring.py, and the assertions to testing/, whose identity provider it shares.
"""
