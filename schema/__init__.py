"""The contract: what the outside can ask, and nothing that decides."""
