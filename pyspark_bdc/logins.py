"""How a driver or a task gets to the coordinator of loads: where it is, and a session there."""

from __future__ import annotations

import os
from dataclasses import replace

from pyspark_bdc.addresses import Address
from pyspark_bdc.coordinator import Login, log_in
from pyspark_bdc.errors import OptionError


def password_of(address: Address) -> str | None:
    """Given, or in ``PGPASSWORD`` as libpq has it; the coordinator knows no password files."""
    return address.password if address.password is not None else os.environ.get("PGPASSWORD")


def logged_in(address: Address, place: str | None) -> Login:
    """A session at the coordinator; ``place``: ``host:port``, else what the master tells. OptionError, UnreachableError, ReadError."""
    password = password_of(address)
    if password is None:
        raise OptionError("option password is missing", "give it, or set PGPASSWORD where Spark's driver runs")
    if not place:
        from pyspark_bdc import session  # only where it is needed: the database driver brings pandas with it

        place = session.flight_address(replace(address, password=password))
    return log_in(place if "://" in place else f"grpc://{place}", address.user, password, address.database)
