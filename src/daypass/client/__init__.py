"""What the command line for people is made of: from a profile, a proof or a role to credentials in their place."""
