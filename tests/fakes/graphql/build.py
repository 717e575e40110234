"""Rebuild `github.json`: the GraphQL types and fields that we ask for, cut from GitHub's public schema, as bare facts.

    npm pack @octokit/graphql-schema && tar xzf octokit-graphql-schema-*.tgz
    python -m tests.fakes.graphql.build package/schema.json

Source: npm package @octokit/graphql-schema 15.26.1, taken from GitHub's public schema; licence MIT (see `LICENSE`). Kept are
names, kinds and types of what stands in `USED`, with the arguments of each field. Descriptions are left out.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

USED: Mapping[str, tuple[str, ...]] = {
    "Query": ("repository",),
    "Mutation": ("minimizeComment",),
    "MinimizeCommentInput": ("subjectId", "classifier"),
    "ReportedContentClassifiers": (),
    "MinimizeCommentPayload": ("minimizedComment",),
    "Minimizable": ("isMinimized",),
    "Repository": ("issue", "deployments", "object", "defaultBranchRef", "nameWithOwner"),
    "Ref": ("target",),
    "Issue": ("closedByPullRequestsReferences", "timelineItems"),
    "IssueTimelineItemsItemType": (),
    "PullRequestConnection": ("nodes",),
    "PullRequest": ("merged", "mergeCommit", "repository", "state", "headRefOid"),
    "PullRequestState": (),
    "IssueTimelineItemsConnection": ("nodes",),
    "IssueTimelineItems": (),
    "ClosedEvent": ("closer",),
    "Closer": (),
    "GitObject": ("oid",),
    "Commit": (
        "oid",
        "message",
        "messageHeadline",
        "committedDate",
        "url",
        "author",
        "parents",
        "history",
        "associatedPullRequests",
        "blame",
    ),
    "GitActor": ("name",),
    "CommitConnection": ("nodes",),
    "CommitHistoryConnection": ("nodes", "pageInfo"),
    "PageInfo": ("hasNextPage",),
    "Blob": ("text", "isBinary", "isTruncated", "byteSize"),
    "Blame": ("ranges",),
    "BlameRange": ("startingLine", "endingLine", "commit"),
    "DeploymentConnection": ("nodes",),
    "DeploymentOrder": ("field", "direction"),
    "DeploymentOrderField": (),
    "OrderDirection": (),
    "Deployment": ("commitOid", "createdAt", "statuses"),
    "DeploymentStatusConnection": ("nodes",),
    "DeploymentStatus": ("state", "createdAt"),
    "DeploymentStatusState": (),
}
"""By type; an enumeration or a union is kept with all that it may be."""


def written(reference: Mapping[str, Any]) -> str:
    """A type as a document writes it: `[String!]!`."""
    match reference["kind"]:
        case "NON_NULL":
            return f"{written(reference['ofType'])}!"
        case "LIST":
            return f"[{written(reference['ofType'])}]"
        case _:
            return str(reference["name"])


def build(source: Mapping[str, Any]) -> dict[str, Any]:
    types = {raw["name"]: raw for raw in source["__schema"]["types"]}
    built: dict[str, Any] = {}
    for name, fields in USED.items():
        raw = types[name]
        kept: dict[str, Any] = {"kind": raw["kind"]}
        described = {f["name"]: f for f in (raw["fields"] or raw["inputFields"] or ())}
        if fields:
            kept["fields"] = {
                field: {
                    "type": written(described[field]["type"]),
                    "args": {a["name"]: written(a["type"]) for a in described[field].get("args", ())},
                }
                for field in fields
            }
        if raw["kind"] in ("UNION", "INTERFACE"):
            kept["possible"] = sorted(p["name"] for p in raw["possibleTypes"] if p["name"] in USED)
        if raw["kind"] == "ENUM":
            kept["values"] = sorted(v["name"] for v in raw["enumValues"])
        if raw["kind"] == "INPUT_OBJECT":
            kept["required"] = sorted(
                f["name"] for f in raw["inputFields"] if f["type"]["kind"] == "NON_NULL" and f["defaultValue"] is None
            )
        built[name] = kept
    return built


if __name__ == "__main__":
    described = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    target = Path(__file__).with_name("github.json")
    target.write_text(json.dumps(build(described), separators=(",", ":"), sort_keys=True) + "\n", "utf-8")
