"""Certificates as text in a source's option: given to the driver, which reads files only, by way of files that live in memory.

A path in an option would have the compute pool read whatever its user can, for whoever may create sources; so none is taken.
"""

from __future__ import annotations

import os
import threading

BEGIN = "-----BEGIN CERTIFICATE-----"

_files: dict[str, int] = {}
_lock = threading.Lock()


def read(text: str) -> str:
    """The option's value, checked; ValueError for anything but certificates in PEM form."""
    from cryptography.x509 import load_pem_x509_certificates

    if not text.lstrip().startswith(BEGIN):
        raise ValueError(f"no certificates ({BEGIN} …): no file is read")
    load_pem_x509_certificates(text.encode())
    return text


def path(certificates: str) -> str:
    """Where the driver finds ``certificates`` as long as this process lives (it reads them whenever it connects)."""
    with _lock:
        if certificates not in _files:
            file = os.memfd_create("tls_ca")
            os.write(file, certificates.encode())
            _files[certificates] = file
        return f"/proc/self/fd/{_files[certificates]}"
