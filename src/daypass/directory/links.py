"""The kinds of link between things, by the names under which a store keeps them."""

ATTACHED = "attached"
"""From a user, group or role (unique id) to a managed policy (ARN)."""

MEMBER = "member"
"""From a user (unique id) to a group (unique id)."""

BOUNDARY = "boundary"
"""From a user or role (unique id) to the managed policy (ARN) that bounds it."""
