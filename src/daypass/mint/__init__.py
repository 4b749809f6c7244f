"""Credentials and tokens: made, sealed and opened. Pure; time, entropy and keys are arguments."""
