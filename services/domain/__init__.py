"""Pure: what the product speaks of. Standard library only."""
