"""The condition operators, one file a family."""
