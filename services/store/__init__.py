"""What is kept in PostgreSQL, and how."""
