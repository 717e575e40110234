"""What GitHub could not deliver: find it and ask for it again. GitHub never does so by itself.

Owns the reading of the App's own delivery list. A delivery counts as missing when none of its attempts succeeded and it never
reached the archive.
"""

from datetime import datetime, timedelta

from app.archive import Archive
from app.github.client import Refused, Session
from app.github.webhooks import HANDLED

REACH = timedelta(days=3)
"""GitHub keeps deliveries for redelivery this long."""
MOST_PAGES = 10


async def redeliver_failed(session: Session, archive: Archive, now: datetime) -> int:
    """Ask again for each missing delivery, once per sweep. Returns how many."""
    failed: dict[str, int] = {}
    arrived: set[str] = set()
    parameters: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page, parameters = await session.cursor_page("/app/hook/deliveries", per_page=100, **parameters)
        for one in page:
            delivered = datetime.fromisoformat(one["delivered_at"])
            if now - delivered > REACH:
                parameters = {}
                break
            if 200 <= one["status_code"] < 300:
                arrived.add(one["guid"])
            elif one["event"] in HANDLED:
                failed.setdefault(one["guid"], one["id"])
        if not parameters:
            break
    missing = {guid: number for guid, number in failed.items() if guid not in arrived}
    known = archive.known_deliveries(tuple(missing))
    asked = 0
    for guid, number in missing.items():
        if guid in known:
            continue
        try:
            await session.write("POST", f"/app/hook/deliveries/{number}/attempts")
        except Refused as refused:
            if refused.status not in (404, 422):  # too old, or a redelivery is under way
                raise
        asked += 1
    return asked
