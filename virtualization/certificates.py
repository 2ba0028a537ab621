"""Root certificates as text in a source's option: given to drivers, which read files only, by way of files that live in memory.

A path in an option would have the compute pool read whatever its user can, for whoever may create sources; so none is taken.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

BEGIN = "-----BEGIN CERTIFICATE-----"
KEPT = 64
"""Texts whose file stays open; the one used longest ago goes first."""

_files: OrderedDict[str, int] = OrderedDict()
_lock = threading.Lock()


def read(text: str) -> str:
    """The option's value, checked; ValueError for anything but certificates in PEM form."""
    from cryptography.x509 import load_pem_x509_certificates

    if not text.lstrip().startswith(BEGIN):
        raise ValueError(f"no certificates ({BEGIN} …): no file is read")
    load_pem_x509_certificates(text.encode())
    return text


def path(certificates: str) -> str:
    """Where a driver finds ``certificates`` (as ``read`` gave them), while it connects."""
    with _lock:
        if certificates not in _files:
            file = os.memfd_create("certificates")
            os.write(file, certificates.encode())
            _files[certificates] = file
            if len(_files) > KEPT:
                os.close(_files.popitem(last=False)[1])
        _files.move_to_end(certificates)
        return f"/proc/self/fd/{_files[certificates]}"
