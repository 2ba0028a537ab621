"""A stand-in for Oracle Database: the wire protocol of 12.1 as the real driver speaks it, over a PostgreSQL with Oracle's rules.

It is no Oracle: it shows that the connector and the driver work together, what arrives at the source, and that the answers are right under
the rules written down here (``rules.sql``). That the text is what Oracle takes is held by golden statements.
"""

from tests.services.oracle.dialect import OracleError
from tests.services.oracle.live import Live, live
from tests.services.oracle.server import StandIn, oracle_stand_in

Oracle = StandIn | Live
"""What tests of answers run against."""

__all__ = ["Live", "Oracle", "OracleError", "StandIn", "live", "oracle_stand_in"]
