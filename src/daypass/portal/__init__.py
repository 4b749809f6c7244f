"""The web for people: sign in, pick a role, take credentials."""
