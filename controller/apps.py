"""The app pool as the API sees it: requests go on to its proxy, with a token that says who asks. The proxy keeps the apps, and alone
decides about them; nothing of them is kept here, so with the controller down they go on."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.tokens import Caller, Tokens
from controller.errors import NotReadyError, UnknownNameError

AUDIENCE = "app"
SECONDS = 120.0
MAX_ANSWER = 16 * 2**20


@dataclass(frozen=True)
class Apps:
    """``proxy``: host and port; None: this cluster has no app pool. ``changed``: told after what may have changed which apps there are."""

    tokens: Tokens
    proxy: Callable[[], tuple[str, int] | None]
    changed: Callable[[], object] = lambda: None

    def there(self) -> bool:
        """Whether the cluster has an app pool."""
        return self.proxy() is not None

    def token(self, caller: Caller) -> tuple[str, int, str]:
        """A token for the proxy, its seconds, and the proxy's address."""
        host, port = self._address()
        return (*self.tokens.exchange(caller, AUDIENCE), f"http://{host}:{port}")

    def ask(self, caller: Caller, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """The proxy's status and JSON. NotReadyError when it does not answer; UnknownNameError where there is none."""
        host, port = self._address()
        token, _ = self.tokens.exchange(caller, AUDIENCE)
        connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            content = answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            why = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
            raise NotReadyError(f"the app proxy does not answer: {why}", where="app-proxy", hint="bdc status; bdc logs app-proxy") from None
        finally:
            connection.close()
        if method != "GET":
            self.changed()
        return answer.status, content

    def _address(self) -> tuple[str, int]:
        found = self.proxy()
        if found is None:
            raise UnknownNameError(
                "this cluster has no app pool", where="spec.pools.app.enabled", hint="bdc apply a spec with pools.app.enabled: true"
            )
        return found
