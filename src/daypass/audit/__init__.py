"""What happened, for the record: CloudTrail-shaped events and where they go."""
