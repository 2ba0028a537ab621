"""Certificates for tests: an authority of the product's own kind, and files in a folder."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from controller.certificates.authority import Pair, issue, new_authority
from pools.tls import Files

HOSTS = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Laid:
    """Files of a server's certificate, and of the authority that signed it."""

    folder: Path
    authority: Pair

    @property
    def files(self) -> Files:
        return Files(str(self.folder / "tls.crt"), str(self.folder / "tls.key"))

    @property
    def root(self) -> str:
        """What a client verifies with."""
        return str(self.folder / "ca.crt")

    @property
    def pair(self) -> Pair:
        """What lies there now."""
        return Pair(Path(self.files.certificate).read_text(), Path(self.files.key).read_text())

    def lay(self, pair: Pair) -> None:
        """Replace certificate and key, whole files each."""
        for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
            temporary = self.folder / f"{name}.new"
            temporary.write_text(content)
            temporary.chmod(0o600)
            temporary.replace(self.folder / name)

    def issued(self, hosts: tuple[str, ...] = HOSTS, begun_days_ago: int = 0, days: int = 90) -> Pair:
        return issue(self.authority, "test", hosts, now() - datetime.timedelta(days=begun_days_ago), days)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def laid(folder: Path, hosts: tuple[str, ...] = HOSTS) -> Laid:
    """A new authority and a certificate of it in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Laid(folder, new_authority("tests", now(), 10))
    (folder / "ca.crt").write_text(found.authority.certificate)
    found.lay(found.issued(hosts))
    return found
