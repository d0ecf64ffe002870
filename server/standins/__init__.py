"""The upstreams as we believe them to be; loopback only."""
