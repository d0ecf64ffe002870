"""Processes are killed, frozen and cut off from their database; afterwards a client's ledger and the tables have to agree."""
