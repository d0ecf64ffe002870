"""Real parts: a real PostgreSQL, real HTTP and WebSockets on loopback."""
