"""The actions of STS, one file each."""
