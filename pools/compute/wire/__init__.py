"""The PostgreSQL frontend/backend protocol, server side (protocol 3.0 and 3.2)."""
