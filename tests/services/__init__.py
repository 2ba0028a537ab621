"""Real services that tests start: each a context manager that stops and removes what it started."""
