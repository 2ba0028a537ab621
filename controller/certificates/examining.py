"""What `bdc doctor` says of certificates: those that nobody renewed in time, and servers that show other ones than they should."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from controller.certificates.keeper import utc_now
from controller.certificates.renewal import Renewal
from controller.operations.doctor import Check, Finding, ok, problem, warning
from controller.spec import ClusterSpec


def certificate_checks(renewal: Renewal | None, spec: Callable[[], ClusterSpec]) -> dict[str, Check]:
    """Nothing where there is no TLS; ``spec``: the one in force."""
    return {} if renewal is None else {"certificates": lambda: _certificates(renewal, spec())}


def _certificates(renewal: Renewal, spec: ClusterSpec) -> Iterator[Finding]:
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
