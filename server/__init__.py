"""The process: serves the schema, starts and stops everything, decides nothing."""
