"""A service that dies while it writes: taken down at chosen writes, each once, and started again on the same store.

What kill -9 does to a process is done to its parts: running handlers are cut off where they wait for GitHub, nothing of theirs
is recorded as done, and what the old process asks for from then on reaches nobody. A real kill of a real process is tested
beside it (`test_service.py`); this one is quick enough for every scenario.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from app.main import Parts, Running
from app.settings import Settings

_KINDS = (
    ("POST", r"/reactions$", "reaction"),
    ("POST", r"/issues/\d+/comments$", "comment"),
    ("PATCH", r"/issues/comments/\d+$", "edit"),
    ("POST", r"/repos/[^/]+/[^/]+/labels$", "new label"),
    ("POST", r"/issues/\d+/labels$", "label"),
    ("DELETE", r"/issues/\d+/labels/", "unlabel"),
    ("POST", r"/check-runs$", "check"),
    ("POST", r"/deliveries/\d+/attempts$", "redelivery"),
    ("POST", r"/graphql$", "fold"),
)


def kind_of(method: str, path: str, body: Any) -> str | None:
    """What kind of write it is; None: it writes nothing. Reactions are told apart by what they say."""
    for verb, pattern, kind in _KINDS:
        if method == verb and re.search(pattern, path):
            if kind == "reaction":
                return str(body["content"])
            return None if kind == "fold" and "mutation" not in body["query"] else kind
    return None


class Deaths:
    """Once at each of `kinds`, twice at one that is named twice: before the write reaches anybody, or with `after` when it is
    done and nobody hears of it.
    """

    def __init__(self, *kinds: str, after: bool = False) -> None:
        self.left = list(kinds)
        self.died: list[str] = []
        self.after = after
        self.alive = threading.Event()
        self.alive.set()
        self.dying = False
        self._lock = threading.Lock()

    def at(self, method: str, path: str, body: Any) -> bool | None:
        if self.dying:
            return False  # the rest of what it asks
        kind = kind_of(method, path, body)
        return self.strike(kind) if kind is not None else None

    def strike(self, kind: str) -> bool | None:
        if kind not in self.left:
            return None
        self.left.remove(kind)
        self.died.append(kind)
        with self._lock:  # before the write: who sees it done knows that the process is gone
            self.dying = True
            self.alive.clear()
        return self.after

    def revive(self) -> None:
        with self._lock:
            if not self.dying:
                self.alive.set()


class Mortal:
    """A running service that may die; whatever is asked of it meanwhile waits for the one that is started next."""

    def __init__(self, settings: Settings, parts: Parts, deaths: Deaths | None) -> None:
        self._make: Callable[[], Running] = lambda: Running(settings, parts)
        self._deaths = deaths
        self._running = self._make()
        self._at_the_door = 0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="deaths", daemon=True)
        if deaths is not None:
            self._watcher.start()

    def __getattr__(self, name: str) -> Any:
        self._wait()
        return getattr(self._running, name)

    def _wait(self) -> None:
        if self._deaths is not None and not self._deaths.alive.wait(20):
            raise AssertionError(f"not alive again after it died at {self._deaths.died[-1]!r}")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Deliveries that are being taken in are not cut off: a 202 whose delivery is lost would be a lie."""
        if self._deaths is not None:
            await asyncio.to_thread(self._wait)
        taking_in = scope["type"] == "http" and scope["path"].startswith("/webhooks")
        self._at_the_door += taking_in
        try:
            await self._running.web(scope, receive, send)
        finally:
            self._at_the_door -= taking_in

    def _watch(self) -> None:
        deaths = self._deaths
        assert deaths is not None
        while not self._done.wait(0.01):
            while deaths.dying:
                time.sleep(0.01)  # whoever passed the door just before
                while self._at_the_door:
                    time.sleep(0.005)
                self._running.stop(timedelta(0))
                deaths.dying = False
                self._running = self._make()  # which may die while it starts
            deaths.revive()

    def stop(self) -> None:
        self._done.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self._running.stop(timedelta(seconds=1))
