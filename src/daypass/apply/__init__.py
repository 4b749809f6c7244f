"""Files under version control that say what a directory shall hold: read, compared with the store, carried out."""
