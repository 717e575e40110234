"""What runs in a cluster, by the metrics of its pods and without a look into the cluster."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.evidence.deployments import assemble_revisions
from app.evidence.model import LiveRead, Observations, Place, ServiceName, Window
from app.sources.gke import Clusters
from app.sources.monitoring import Monitoring
from app.sources.rest import Rest
from tests.fakes.google_rest import FakeGoogle, Trouble, serve_google

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
PLACE = Place("k8s_container", "shop-prod", "europe-west1", ServiceName("shop"))
OLD, NEW = "6d4cf56db6", "7f9b8d5c44"
SHA_OLD, SHA_NEW = "1a" * 20, "2b" * 20


def pod(name: str, image: str, *minutes_ago: int, container: str = "shop") -> dict[str, Any]:
    """A pod's series with a point at each of `minutes_ago`."""
    ends = [(NOW - timedelta(minutes=ago)).strftime("%Y-%m-%dT%H:%M:%SZ") for ago in minutes_ago]
    labels = {"namespace_name": "prod", "pod_name": name, "container_name": container}
    return {
        "metric": {"type": "kubernetes.io/container/uptime"},
        "resource": {"type": "k8s_container", "labels": labels},
        "metadata": {"systemLabels": {"container_image": image}},
        "points": [{"interval": {"endTime": end}, "value": {"doubleValue": 60.0}} for end in ends],
    }


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    fake.series["kubernetes.io/container/uptime"] = [
        pod(f"shop-{OLD}-x2x9q", f"gcr.io/p/shop:{SHA_OLD}", 600, 120),
        pod(f"shop-{NEW}-b4b4b", f"gcr.io/p/shop:{SHA_NEW}", 60, 2),
        pod(f"shop-{NEW}-c5c5c", f"gcr.io/p/shop:{SHA_NEW}", 60, 2),
        pod(f"shop-{NEW}-c5c5c", f"gcr.io/p/proxy:{'3c' * 20}", 60, 2, container="proxy"),
    ]
    with serve_google(fake):
        yield fake
    assert fake.violations == []


async def read(google: FakeGoogle, *places: Place) -> LiveRead:
    async with httpx.AsyncClient() as http:
        monitoring = Monitoring(Rest(http, address=google.address, deadline=timedelta(seconds=1)))
        return await Clusters(monitoring, frozenset({"shop-prod"}), clock=lambda: NOW).revisions(places or (PLACE,))


async def test_versions_are_told_with_their_pods_and_the_commit_of_their_image(google: FakeGoogle) -> None:
    done = await read(google)
    told = {r.name: (r.instances, [claim.sha for claim in r.commits]) for r in done.revisions}
    assert told == {f"shop@{OLD}": (0, [SHA_OLD]), f"shop@{NEW}": (2, [SHA_NEW])}
    assert done.gaps == ()


async def test_the_version_that_alone_has_pods_serves(google: FakeGoogle) -> None:
    live = (await read(google)).revisions
    seen = Observations((), (), (), (), 0, None, None)
    revisions = assemble_revisions(seen, live, {}, Window(NOW - timedelta(hours=6), NOW))
    assert {r.name: r.serving for r in revisions} == {f"shop@{OLD}": False, f"shop@{NEW}": True}


async def test_of_two_versions_with_pods_it_is_not_told_which_serves(google: FakeGoogle) -> None:
    google.series["kubernetes.io/container/uptime"].append(pod(f"shop-{OLD}-z9z9z", f"gcr.io/p/shop:{SHA_OLD}", 2))
    live = (await read(google)).revisions
    seen = Observations((), (), (), (), 0, None, None)
    revisions = assemble_revisions(seen, live, {}, Window(NOW - timedelta(hours=6), NOW))
    assert {r.serving for r in revisions} == {None}


@pytest.mark.parametrize("trouble", [401, 403, 404, 429, 500, "malformed", "not an object", "slow", "reset"])
async def test_what_cannot_be_read_is_a_gap(google: FakeGoogle, trouble: Trouble) -> None:
    google.troubles["monitoring.googleapis.com"] = trouble
    done = await read(google)
    (gap,) = done.gaps
    assert done.revisions == ()
    assert "shop in shop-prod, europe-west1" in gap.reason


async def test_without_permission_or_metrics_the_command_of_a_person_is_named(google: FakeGoogle) -> None:
    google.series.clear()
    (gap,) = (await read(google)).gaps
    assert gap.remedy is not None
    assert gap.remedy.startswith("run `kubectl get replicasets,")
    google.permissions["shop-prod"] = set()
    (gap,) = (await read(google)).gaps
    assert gap.remedy is not None
    assert gap.remedy.startswith("grant roles/monitoring.viewer on shop-prod")
    assert "kubectl" in gap.remedy


@pytest.mark.parametrize(
    "place",
    [
        PLACE._replace(project="stranger"),
        PLACE._replace(resource_type="cloud_run_revision"),
        PLACE._replace(service=ServiceName('shop" OR metric.type="x')),
        PLACE._replace(location="a/b"),
    ],
)
async def test_what_is_elsewhere_or_was_not_granted_is_not_asked(google: FakeGoogle, place: Place) -> None:
    assert await read(google, place) == LiveRead(())
    assert google.calls == []


async def test_images_and_pods_are_asked_for_once_a_place_and_time(google: FakeGoogle) -> None:
    await read(google, PLACE, PLACE._replace(service=ServiceName("cart")), PLACE._replace(resource_type="k8s_pod"))
    asked = google.asked("monitoring.googleapis.com")
    assert len(asked) == 2
    assert all('full_match("(cart|shop)-.*")' in call.query["filter"] for call in asked)
    assert all("metadata.system_labels.container_image" in call.query["aggregation.groupByFields"] for call in asked)
