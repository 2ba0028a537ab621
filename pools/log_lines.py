"""The log of services that have structlog: JSON lines on standard output. Never SQL, rows, tickets or secrets: that is up to who logs."""

from __future__ import annotations

import logging
import sys

import structlog


def configure() -> None:
    """For the whole process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
