"""The certificate that the spec names: read by whoever lays the cluster, checked, and laid for controller and master like all others."""

from __future__ import annotations

import datetime
from pathlib import Path

from controller.certificates.authority import CertificateError, Pair, certificate_of, check_pair
from controller.errors import ControllerError
from controller.spec import ClusterSpec
from pools.encryption import GIVEN, PREFIX

WHERE = "spec.network.tls"


class GivenCertificateError(ControllerError):
    """The files of the spec are no certificate and its key."""

    code = "invalid_certificate"
    category = "user"
    status = 400


def given_values(spec: ClusterSpec, now: datetime.datetime) -> dict[str, str]:
    """As entries of the secret store; empty where the spec names none. GivenCertificateError, also for an expired one."""
    tls = spec.spec.network.tls
    if tls.certificate is None or tls.key is None:
        return {}
    pair = Pair(_text(tls.certificate, "certificate"), _text(tls.key, "key"))
    try:
        check_pair(pair)
        found = certificate_of(pair.certificate)
    except CertificateError as error:
        raise GivenCertificateError(
            f"{tls.certificate} with {tls.key}: {error}", where=WHERE, hint="name a PEM certificate chain and its own unencrypted key"
        ) from None
    if found.not_valid_after_utc <= now:
        raise GivenCertificateError(
            f"{tls.certificate} has expired ({found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC)",
            where=WHERE,
            hint="replace the files, or leave network.tls out: then the cluster's own authority makes one",
        )
    return {f"{PREFIX}{GIVEN}.crt": pair.certificate, f"{PREFIX}{GIVEN}.key": pair.key}


def _text(path: str, what: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise GivenCertificateError(
            f"{path} can't be read: {getattr(error, 'strerror', None) or error}",
            where=f"{WHERE}.{what}",
            hint="it is read by whoever runs 'bdc create' or 'bdc start'",
        ) from None
