"""The actions of IAM, one file a noun."""
