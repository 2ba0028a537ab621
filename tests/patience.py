"""How long tests wait on a machine that others keep busy too. Limits of failures only: they cost nothing while all is well."""

from __future__ import annotations

PATIENCE = 60.0
"""Seconds for what a quiet machine does in one or two."""

SOON = 20.0
"""Seconds for what is promised within a second or five: generous, and far less than it takes in these tests if it is not done at all."""
