"""The actions of the API: what each asks, who vouches for it, and what it does."""
