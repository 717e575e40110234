"""The job functions: run a handler; then it is done, tried again later, or given up.

Owns retries, dead letters and the one place where a bug is logged with its trace. Leaves what is done to `respond.py` and
durability to `jobs.py`.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from app import follow_up
from app.archive import KEEP_AUDITS, KEEP_DELIVERIES, DeliveryState
from app.errors import Unavailable, UserError
from app.escalation import REMINDER, run_reminder
from app.follow_up import INCIDENT
from app.github.client import Refused
from app.github.deliveries import redeliver_failed
from app.github.webhooks import EVENT
from app.jobs import RECOVERIES, Handler, Later
from app.replies import BrokenReply, FixReply, Reply
from app.respond import LOOK, enqueue_look, respond, run_audit, run_look, tell_broken
from app.service import ORDER, Service, load_incident

_log = logging.getLogger(__name__)

ATTEMPTS = 8
LONGEST_PAUSE = timedelta(minutes=15)
AFTER_A_FAILED_LOOK = timedelta(minutes=30)


def handlers(service: Callable[[], Service]) -> Mapping[str, Handler]:
    """By kind of job. The service is asked for when a job runs, since it is opened on the jobs' own loop."""

    async def delivery(guid: str, attempt: int) -> None:
        stored = service().archive.delivery(guid)
        if stored is None:
            return  # purged
        event = EVENT.validate_json(stored.event)

        async def work() -> None:
            await respond(service(), event, guid)
            service().archive.mark_delivery(guid, DeliveryState.DONE)

        await _attempt(f"delivery {guid}", attempt, work, lambda reply: _give_up_delivery(service(), guid, reply))

    async def audit(job: str, attempt: int) -> None:
        await _attempt(job, attempt, lambda: run_audit(service(), job), lambda r: _give_up_audit(service(), job, r))

    async def look(argument: str, attempt: int) -> None:
        look = LOOK.validate_json(argument)

        async def give_up(_reply: Reply) -> None:
            """A look that cannot be made is only logged; the watch goes on with its next one."""
            incident = load_incident(service(), look.repository_id, look.issue)
            if look.after is None and follow_up.is_due(incident, look.chain, service().clock() + AFTER_A_FAILED_LOOK):
                enqueue_look(service(), look, incident, AFTER_A_FAILED_LOOK, look.number + 1)

        await _attempt(f"look {argument}", attempt, lambda: run_look(service(), look), give_up)

    async def remind(argument: str, attempt: int) -> None:
        async def give_up(reply: Reply) -> None:
            """Only logged: the call itself stands on the issue."""

        reminder = REMINDER.validate_json(argument)
        await _attempt(f"reminder {argument}", attempt, lambda: run_reminder(service(), reminder), give_up)

    async def cut_off(argument: str, _attempt: int) -> None:
        """Tell of a job that was cut off so often that it is not run again."""
        kind, _, rest = argument.partition(" ")
        _log.error("%s %s: given up, the process ended %d times while it ran", kind, rest, RECOVERIES + 1)
        match kind:
            case "delivery":
                await _give_up_delivery(service(), rest, BrokenReply(f"delivery {rest}"))
            case "audit":
                await _give_up_audit(service(), rest, BrokenReply(rest))
            case _:
                pass  # the next one of its kind does what it was to do

    async def sweep(_argument: str, _attempt: int) -> None:
        """Fetch again what GitHub could not deliver, and see what was given up. The next tick is the retry."""
        for job, kind, argument in service().jobs.given_up():
            service().jobs.enqueue("cut off", f"{kind} {argument}", id=f"cut-off:{job}")
        try:
            await redeliver_failed(service().github.app(), service().archive.known_deliveries, service().clock())
        except (Unavailable, Refused) as trouble:
            _log.warning("failed deliveries were not looked for: %s", trouble)

    async def purge(_argument: str, _attempt: int) -> None:
        now = service().clock()

        def is_forgotten(state: str) -> bool:
            return follow_up.is_forgotten(INCIDENT.validate_json(state), now, KEEP_AUDITS)

        service().archive.purge(deliveries_before=now - KEEP_DELIVERIES, audits_before=now - KEEP_AUDITS)
        service().archive.purge_incidents(is_forgotten)
        service().jobs.purge(KEEP_DELIVERIES)

    return {
        "delivery": delivery,
        "audit": audit,
        "look": look,
        "remind": remind,
        "cut off": cut_off,
        "sweep": sweep,
        "purge": purge,
    }


async def _give_up_delivery(service: Service, guid: str, reply: Reply) -> None:
    stored = service.archive.delivery(guid)
    if stored is not None:
        event = EVENT.validate_json(stored.event)
        await _last_word(f"delivery {guid}", tell_broken(service, event, reply, f"broken:{guid}"))
        service.archive.mark_delivery(guid, DeliveryState.FAILED)


async def _give_up_audit(service: Service, job: str, reply: Reply) -> None:
    saved = service.archive.audit(job)
    if saved is not None:
        order = ORDER.validate_json(saved.request)
        await _last_word(job, tell_broken(service, order, reply, f"broken:{job}"))
        service.archive.drop_audit(saved.page)  # last: a repeat after a crash still knows whom to tell


async def _attempt(
    name: str, attempt: int, work: Callable[[], Awaitable[None]], give_up: Callable[[Reply], Awaitable[None]]
) -> None:
    """Run `work` once. Raises `Later` to be run again, and what broke it when that is a bug."""
    begun = time.monotonic()
    try:
        await work()
        _log.info("%s: attempt %d, done in %.1f s", name, attempt, time.monotonic() - begun)
    except Unavailable as trouble:
        if attempt >= ATTEMPTS:
            _log.error("%s: given up after %d attempts: %s", name, attempt, trouble)
            await give_up(FixReply(f"Given up after {attempt} attempts: {trouble}.", "Ask once more in some minutes."))
            return
        pause = trouble.retry_after or min(timedelta(seconds=2**attempt), LONGEST_PAUSE)
        _log.warning("%s: attempt %d, again in %s: %s", name, attempt, pause, trouble)
        raise Later(pause) from trouble
    except UserError as error:
        await give_up(FixReply(str(error), error.fix))
    except Refused as refused:
        _log.warning("%s: GitHub refuses: %s", name, refused)
        await give_up(_refusal(refused, name))
    except Exception:
        _log.exception("%s: a bug", name)
        await give_up(BrokenReply(name))
        raise


def _refusal(refused: Refused, name: str) -> FixReply:
    """What GitHub's answer means to whoever asked. Its path and status stand in the log, beside `name`."""
    match refused.status:
        case 401 | 403:
            return FixReply(
                f"GitHub does not permit the App to do this here: {refused.message}",
                "Let an owner accept the permissions that the App asks for, under Settings, GitHub Apps, of the"
                " organisation or account that installed it. Then ask again.",
            )
        case 429:
            return FixReply(
                "This took more calls to GitHub than one audit may make.",
                "Ask again for a shorter time, such as /audit since=1h, or for one service.",
            )
        case status if status in Refused.GONE:
            return FixReply(
                "GitHub does not show the App what this is about: it is gone, or hidden from the App.",
                "See whether the App is still installed on this repository. Then ask again.",
            )
        case _:
            return FixReply(
                f"GitHub did not accept what the App wrote: {refused.message}",
                f"Ask again. If that ends here, too, give this id to whoever runs the App: {name}",
            )


async def _last_word(name: str, telling: Awaitable[None]) -> None:
    """Telling may fail for the same reason as the work did; that changes nothing."""
    try:
        await telling
    except (Unavailable, Refused) as trouble:
        _log.warning("%s: the last word was not written: %s", name, trouble)
