"""One file a version. A step that was released is never changed."""
