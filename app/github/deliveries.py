"""What GitHub could not deliver: find it and ask for it again. GitHub never does so by itself.

Owns the reading of the App's own delivery list. A delivery counts as missing when none of its attempts succeeded and it never
reached the archive.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app.github.client import Refused, Session
from app.github.webhooks import HANDLED

REACH = timedelta(days=3)
"""GitHub keeps deliveries for redelivery this long."""
MOST_PAGES = 10
MOST_ATTEMPTS = 5
"""Of one delivery, GitHub's own first one included: what fails that often fails for a reason that asking does not mend."""


async def redeliver_failed(
    session: Session, arrived_before: Callable[[Sequence[str]], frozenset[str]], now: datetime
) -> int:
    """Ask again for each missing delivery, once per sweep. Returns how many.

    `arrived_before` tells which of some ids were received and not given up.
    """
    failed: dict[str, int] = {}
    attempts: Counter[str] = Counter()
    arrived: set[str] = set()
    parameters: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page, parameters = await session.cursor_page("/app/hook/deliveries", per_page=100, **parameters)
        for one in page:
            delivered = datetime.fromisoformat(one["delivered_at"])
            if now - delivered > REACH:
                parameters = {}
                break
            attempts[one["guid"]] += 1
            if 200 <= one["status_code"] < 300:
                arrived.add(one["guid"])
            elif one["event"] in HANDLED:
                failed.setdefault(one["guid"], one["id"])
        if not parameters:
            break
    missing = {guid: number for guid, number in failed.items() if guid not in arrived}
    known = arrived_before(tuple(missing))
    asked = 0
    for guid, number in missing.items():
        if guid in known or attempts[guid] >= MOST_ATTEMPTS:
            continue
        try:
            await session.write("POST", f"/app/hook/deliveries/{number}/attempts")
        except Refused as refused:
            if refused.status not in (404, 422):  # too old, or a redelivery is under way
                raise
        asked += 1
    return asked
