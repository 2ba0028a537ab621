"""ldap3's place for TLS, with the checks of Python's own ``ssl``. Apart from the rest because it brings ldap3."""

from __future__ import annotations

import ssl
from typing import Any

import ldap3


class Tls(ldap3.Tls):  # type: ignore[misc]
    """ldap3's place for TLS, with the checks of Python's own ``ssl``: chain, validity, host name."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._host = host
        self.problem: str | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ANN401 (ldap3's)
        """Called by ldap3 once the socket is open, and after StartTLS."""
        try:
            connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            self.problem = f"its certificate is not to be trusted: {error.verify_message.rstrip('.')}"
            raise
        except TimeoutError:
            self.problem = "it did not answer in time (TLS)"
            raise
        except ssl.SSLError as error:
            self.problem = f"no TLS with it: {error.reason or error}"
            raise
