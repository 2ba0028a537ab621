"""What `bdc doctor` says of certificates: those that nobody renewed in time, and servers that show other ones than they should."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from controller.certificates.authority import CertificateError
from controller.certificates.keeper import utc_now
from controller.certificates.renewal import Renewal
from controller.operations.doctor import Check, Finding, ok, problem, warning
from controller.spec import ClusterSpec

REPLACE = "replace its files with a newer certificate and its key, then: bdc start NAME"


def certificate_checks(renewal: Renewal | None, spec: Callable[[], ClusterSpec]) -> dict[str, Check]:
    """Nothing where there is no TLS; ``spec``: the one in force."""
    return {} if renewal is None else {"certificates": lambda: _certificates(renewal, spec())}


def _given(renewal: Renewal, spec: ClusterSpec) -> Iterator[Finding]:
    """The customer's, which nobody here can renew."""
    try:
        kept = renewal.given(spec)
    except CertificateError as error:
        yield problem(f"the certificate of spec.network.tls: {error}", REPLACE)
        return
    if kept is None:
        return
    day = f"{kept.expires:%Y-%m-%d}"
    if kept.expires <= utc_now():
        yield problem(f"the certificate of spec.network.tls expired on {day}: clients refuse it", REPLACE)
    elif kept.due <= utc_now():
        yield warning(f"the certificate of spec.network.tls expires on {day}", REPLACE)
    else:
        yield ok(f"the certificate of spec.network.tls is good until {day}")


def _certificates(renewal: Renewal, spec: ClusterSpec) -> Iterator[Finding]:
    yield from _given(renewal, spec)
    shown, now, good = renewal.shown(spec), utc_now(), 0
    for one in shown:
        kept = one.kept
        if kept.expires <= now:
            yield problem(f"the certificate of {kept.name} expired on {kept.expires:%Y-%m-%d}: clients refuse it", "bdc cert rotate")
        elif kept.due <= now and kept.name != "ca":
            yield warning(
                f"the certificate of {kept.name} expires on {kept.expires:%Y-%m-%d} and was to be renewed on {kept.due:%Y-%m-%d}",
                "bdc logs control says why it was not; bdc cert rotate",
            )
        elif one.served is not None and one.served != kept.fingerprint:
            yield warning(
                f"{kept.name} shows another certificate than its newest one",
                f"bdc cert list in a minute; if it stays so: bdc logs {kept.name}",
            )
        else:
            good += 1
    if good:
        yield ok(f"{good} certificates, the first to expire on {min(one.kept.expires for one in shown):%Y-%m-%d}, renewed by themselves")
