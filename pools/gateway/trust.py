"""Whom the gateway believes to be the controller, the compute pool and HDFS, when they speak TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

from pools.gateway.settings import GatewaySettings


class Trust:
    """Whom the gateway takes for the controller, or for the ``inner`` servers, which always have a certificate of the cluster's authority:
    HDFS and, over HTTP/2 (``alpn``), the compute pool; looked at again when the file is another one. Thread-safe: the last one made
    counts."""

    def __init__(self, settings: GatewaySettings, *, inner: bool = False, alpn: tuple[str, ...] = ()) -> None:
        self._same = settings.same_certificate and not inner
        self._file = Path(settings.certificate_file if self._same else settings.authority_file)
        self._alpn = list(alpn)
        self._seen: tuple[int, int] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """OSError where the file can't be used."""
        found = self._file.stat()
        seen = (found.st_mtime_ns, found.st_ino)
        if self._context is None or seen != self._seen:
            context = ssl.create_default_context(cafile=str(self._file))
            if self._alpn:
                context.set_alpn_protocols(self._alpn)
            if self._same:  # whatever its names and whoever signed it: the controller shows the very certificate that we show
                context.check_hostname = False
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            self._context, self._seen = context, seen
        return self._context
