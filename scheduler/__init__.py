"""When work is done, never what it is."""
