"""A stand-in for the W&B service, as far as `wandb sync` and `wandb.Api()` ask: made from what the real client sends.

Tests only. It keeps runs in memory, and can drop connections or answer 429, before or after it has taken what was sent.
"""

from __future__ import annotations

import base64
import json
import random
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Run:
    """One run as the service knows it."""

    name: str
    config: str = "{}"
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    state: str = "running"
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    used: list[str] = field(default_factory=list)


@dataclass
class Service:
    """Everything the service holds, and how badly it behaves.

    Attributes:
        dropped: share of requests whose connection is closed, half of them after the request took effect.
        refused: share of requests that are answered by 429.
    """

    dropped: float = 0.0
    refused: float = 0.0
    runs: dict[str, Run] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    uploads: dict[str, set[bytes]] = field(default_factory=dict)
    faults: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(5))
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def graphql(self, query: str, v: dict[str, Any]) -> dict[str, Any]:
        """Answer one operation."""
        operation = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = operation[1] if operation else ""
        self.seen.append(name)
        v = v.get("input") or v
        entity = {"name": "lab", "id": "E"}
        project = {"id": "P", "name": "kd-gat", "entityName": "lab", "entity": entity, "internalId": "1"}
        if name == "UpsertBucket":
            run = self.runs.setdefault(v["name"], Run(v["name"]))
            run.config = v.get("config") or run.config
            if v.get("summaryMetrics"):
                run.summary.update(json.loads(v["summaryMetrics"]))
            run.about |= {k: v[k] for k in ("displayName", "groupName", "jobType", "tags") if v.get(k)}
            bucket = self.bucket(run) | {"project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if name in ("RunResumeStatus", "Run", "HistoryPage", "RunHistoryKeys", "RunParquetHistory"):
            run = self.runs.get(v.get("name") or v.get("run") or v.get("runName") or "")
            shown = None
            if run is not None:
                shown = self.bucket(run)
                if name == "HistoryPage":
                    low, high = int(v["minStep"]), int(v["maxStep"])
                    rows = [line for line in run.history if low <= json.loads(line)["_step"] < high]
                    shown |= {"history": rows}
                if name == "RunParquetHistory":
                    shown |= {"parquetHistory": {"parquetUrls": [], "liveData": [json.loads(h) for h in run.history]}}
            elif name == "RunResumeStatus":
                return {"model": project | {"bucket": None}}
            return {"project": project | {"run": shown}, "model": project | {"bucket": shown}}
        if name == "Runs":
            nodes = [{"node": self.bucket(r), "cursor": "c"} for r in self.runs.values()]
            page = {"endCursor": "c", "hasNextPage": False}
            return {"project": project | {"runs": {"totalCount": len(nodes), "edges": nodes, "pageInfo": page}}}
        if name == "CreateArtifact":
            artifact = {"id": f"A{len(self.seen)}", "state": "PENDING", "digest": v.get("digest", "")}
            kept = ("artifactTypeName", "metadata", "digest", "aliases")
            self.runs[v["runName"]].artifacts.append({k: v.get(k) for k in kept} | {"id": artifact["id"], "files": []})
            return {
                "createArtifact": {"artifact": artifact | {"artifactSequence": {"id": "S", "latestArtifact": None}}}
            }
        if name == "ArtifactMembershipByName":
            return {"project": project | {"artifactCollectionMembership": self.membership(v["name"], project)}}
        if name == "UseArtifact":
            (used,) = [a for run in self.runs.values() for a in run.artifacts if a["id"] == v["artifactID"]]
            self.runs[v["runName"]].used.append(collection(used))
            return {"useArtifact": {"artifact": {"id": used["id"]}}}
        if name == "CreateArtifactManifest":
            file = {"id": "F", "name": "m", "uploadUrl": f"{self.url}/put/m", "uploadHeaders": []}
            return {"createArtifactManifest": {"artifactManifest": {"id": "M", "file": file}}}
        if name == "CreateArtifactFiles":
            for s in v["artifactFiles"]:
                for artifact in (a for run in self.runs.values() for a in run.artifacts if a["id"] == s["artifactID"]):
                    artifact["files"].append(s["name"])
            files = [
                {"node": {"id": "F", "name": s["name"], "displayName": s["name"], "uploadUrl": f"{self.url}/put/{s['name']}",
                          "uploadHeaders": [], "artifact": {"id": s["artifactID"]}, "storagePath": None,
                          "uploadMultipartUrls": None}}
                for s in v["artifactFiles"]
            ]  # fmt: skip
            return {"createArtifactFiles": {"files": {"edges": files}}}
        if name == "CommitArtifact":
            return {"commitArtifact": {"artifact": {"id": v["artifactID"], "digest": ""}}}
        if name == "CreateRunFiles":
            files = [{"name": n, "uploadUrl": f"{self.url}/put/{n}"} for n in v["files"]]
            return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}
        if name in ("Viewer", "GetDefaultEntity", "DefaultEntity"):
            viewer = {"id": "V", "entity": "lab", "username": "lab", "flags": "{}", "email": "", "admin": False,
                      "teams": {"edges": []}, "apiKeys": {"edges": []}}  # fmt: skip
            return {"viewer": viewer, "serverInfo": None}
        if name == "ServerFeaturesQuery":
            return {"serverInfo": {"features": []}}
        return {}

    def membership(self, name: str, project: dict[str, Any]) -> dict[str, Any] | None:
        """The newest artifact `<name>:<alias>` as GraphQL shows it."""
        family, _, version = name.partition(":")
        for a in (a for run in self.runs.values() for a in reversed(run.artifacts)):
            if collection(a) == family and version in [alias["alias"] for alias in a["aliases"]]:
                where = {"__typename": "ArtifactSequence", "name": family, "project": project}
                artifact = {
                    "__typename": "Artifact", "id": a["id"], "artifactSequence": where, "versionIndex": 0,
                    "artifactType": {"name": a["artifactTypeName"]}, "description": None, "metadata": a["metadata"],
                    "ttlDurationSeconds": -1, "ttlIsInherited": True, "tags": [], "historyStep": None, "state": "COMMITTED",
                    "size": 1, "digest": a["digest"], "commitHash": "c", "fileCount": len(a["files"]),
                    "createdAt": "2026-01-01T00:00:00Z", "updatedAt": None,
                }  # fmt: skip
                aliases = [
                    {
                        "__typename": "ArtifactAlias",
                        "id": "a",
                        "alias": version,
                        "artifactCollection": where | {"__typename": "ArtifactSequence"},
                    }
                ]
                artifact["aliases"] = aliases
                return {
                    "__typename": "ArtifactCollectionMembership", "id": "m", "versionIndex": 0, "createdAt": "2026-01-01T00:00:00Z",
                    "aliases": aliases, "artifactCollection": where, "artifact": artifact,
                }  # fmt: skip
        return None

    def bucket(self, run: Run) -> dict[str, Any]:
        """A run as GraphQL shows it."""
        rows = [json.loads(line) for line in run.history]
        keys: dict[str, Any] = {}
        for row in rows:
            for k in row:
                keys.setdefault(k, {"typeCounts": [{"type": "number", "count": 1}], "previousValue": 0})
        last = max((row["_step"] for row in rows), default=-1)
        return {
            "id": run.name, "name": run.name, "displayName": run.about.get("displayName", run.name),
            "projectId": "1", "state": run.state, "config": run.config, "summaryMetrics": json.dumps(run.summary),
            "group": run.about.get("groupName"), "jobType": run.about.get("jobType"), "tags": run.about.get("tags", []),
            "sweepName": None, "commit": None, "readOnly": False, "createdAt": "2026-01-01T00:00:00Z",
            "heartbeatAt": "2026-01-01T00:00:00Z", "description": None, "notes": None, "systemMetrics": "{}",
            "historyLineCount": len(rows), "eventsLineCount": 0, "logLineCount": 0, "historyTail": json.dumps(run.history[-1:]),
            "eventsTail": "[]", "historyKeys": {"sets": [], "keys": keys, "lastStep": last}, "wandbConfig": "{}",
            "user": {"name": "lab", "username": "lab"}, "fileCount": 0, "stopped": False, "forkedFrom": None,
        }  # fmt: skip

    def stream(self, name: str, body: dict[str, Any]) -> None:
        """A chunk of a run's files; lines are placed by their offset, so that sending them twice changes nothing."""
        run = self.runs.setdefault(name, Run(name))
        for file, chunk in (body.get("files") or {}).items():
            lines, offset = chunk["content"], chunk["offset"]
            if file == "wandb-history.jsonl":
                run.history[offset : offset + len(lines)] = lines
            elif file == "wandb-summary.json":
                run.summary = json.loads(lines[-1])
        if body.get("complete"):
            run.state = "finished" if not body.get("exitcode") else "crashed"


def collection(artifact: dict[str, Any]) -> str:
    """An artifact's name without its version."""
    return str(artifact["aliases"][0]["artifactCollectionName"])


def serve(service: Service) -> ThreadingHTTPServer:
    """Start the service on loopback; its address is `service.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with service.lock:
                dice = service.dice.random()
                fault = (
                    "drop" if dice < service.dropped else "refuse" if dice < service.dropped + service.refused else ""
                )
                service.faults += bool(fault)
                late = service.dice.random() < 0.5
                if fault == "refuse":
                    return self.answer(429, {"error": "too many requests"}, ("Retry-After", "0"))
                if fault == "drop" and not late:
                    return self.drop()
                reply = self.take(body)
                if fault == "drop":
                    return self.drop()
                return self.answer(200, reply)

        def take(self, body: bytes) -> Any:
            path = urlsplit(self.path).path
            if path == "/graphql":
                request = json.loads(body)
                return {"data": service.graphql(request["query"], request.get("variables") or {})}
            if path.endswith("/file_stream"):
                service.seen.append("file_stream")
                service.stream(path.split("/")[-2], json.loads(body))
                return {"exitcode": None, "limits": {}}
            service.seen.append(f"{self.command} {path}")
            service.uploads.setdefault(path.rpartition("/")[2], set()).add(body)
            return {}

        def drop(self) -> None:
            self.close_connection = True
            self.connection.close()

        def answer(self, code: int, reply: Any, *headers: tuple[str, str]) -> None:
            text = json.dumps(reply).encode()
            self.send_response(code)
            for key, value in (("Content-Type", "application/json"), ("Content-Length", str(len(text))), *headers):
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = handle_request

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Clients go away while a connection is open; that is theirs to do."""

    server = Server(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def key() -> str:
    """Something with the form of an API key."""
    return base64.b16encode(bytes(20)).decode().lower()
