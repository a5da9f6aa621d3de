"""The chart, installed for one test: with a lake of its own, under a name that is not `eventlog`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from mypy_boto3_s3 import S3Client

from tests.drops import ZONES, Chain
from tests.e2e.cluster import ROOT, Ended, Namespace, Workflow, command, succeed, wait_for

BUCKET = "eventlog"
_LOOK_SECONDS = 5
"""What Argo takes to look at something that changed, and more."""
_UNKNOWN = re.compile(r'workflowtemplates\.argoproj\.io ".*" not found')


class Store:
    """The bucket of the devstack, seen from this machine."""

    def __init__(self, client: S3Client, secrets: tuple[str, ...]) -> None:
        self.client, self.secrets = client, secrets

    def states(self, prefix: str) -> dict[str, str]:
        """What changes with every PUT, of each object."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        found = [entry for page in pages for entry in page.get("Contents", [])]
        return {entry["Key"]: f"{entry['ETag']} {entry['LastModified'].isoformat()}" for entry in found}

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


class Release:
    """One installation of the chart, and the drops and lake that it works on."""

    def __init__(self, namespace: Namespace, store: Store, name: str) -> None:
        self.namespace, self.store, self.name = namespace, store, name

    def upload(self, chain: Chain) -> None:
        """Put the drops of a local source into this release's."""
        source = chain.root / "source"
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            key = f"{self.name}/drops/{path.relative_to(source).as_posix()}"
            self.store.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())

    def helm(self, verb: str, *words: str, **values: Any) -> Ended:
        """`helm install` or `upgrade` with the values for kind and these, merged section by section."""
        given = json.dumps(self._values(values))
        kind = str(ROOT / "helm/values-kind.yaml")
        return command(
            "helm",
            verb,
            "-n",
            self.namespace.name,
            self.name,
            str(ROOT / "helm"),
            "-f",
            kind,
            "-f",
            "-",
            *words,
            stdin=given,
        )

    def install(self, **values: Any) -> str:
        """The notes, as the operator reads them."""
        ended = self.helm("install", **values)
        assert ended.code == 0, ended.err
        return ended.out

    def start_schedule(self) -> None:
        """Have Argo look at the CronWorkflow until it does not call it invalid.

        Helm makes it before the template that it names. Argo, where it is quick enough to see the one without the
        other, calls the schedule invalid and looks again only some ten minutes later, or when it changes; and it may
        see the change before it sees the template, too.
        """

        def accepted() -> bool:
            self.namespace.kubectl(
                "annotate", "--overwrite", "cronworkflow", self.name, f"eventlog/looked={time.time_ns()}"
            )
            time.sleep(_LOOK_SECONDS)
            status = self.namespace.get("cronworkflow", self.name).get("status", {})
            refused = any(found["type"] == "SpecError" for found in status.get("conditions") or [])
            return not refused or bool(self.workflows())

        wait_for("a schedule that Argo takes", accepted, lambda: command("argo", "cron", "list", "-A").out)

    def _values(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        little = {"cpuRequest": 0.05}
        ours: dict[str, Any] = {
            "settings": {
                "source": f"s3://{BUCKET}/{self.name}/drops",
                "lake": f"s3://{BUCKET}/{self.name}/lake",
            },
            "image": {
                "registry": os.environ.get("IMAGE_REGISTRY", "").rstrip("/"),
                "tag": os.environ.get("IMAGE_TAG", ""),
            },
            "stages": {stage: dict(little) for stage in ("ingest", "clean", "feature", "control")},
            "cron": {"suspend": True},
        }
        return _merged(ours, chosen)

    def submit(self, template: str = "", **parameters: str) -> Workflow:
        """`argo submit --from` with these parameters; an underscore is written as a dash."""
        given = [word for name, value in parameters.items() for word in ("-p", f"{name.replace('_', '-')}={value}")]
        line = ["argo", "submit", "-n", self.namespace.name, "--from", f"workflowtemplate/{self.name}{template}"]
        return self.started(lambda: succeed(*line, *given, "-o", "name").strip())

    def started(self, create: Callable[[], str]) -> Workflow:
        """The run that `create` makes and names.

        Argo hears of a template a moment after the cluster does, on a busy machine some seconds. A run that comes
        sooner ends as an Error that says so, and is submitted again, as docs/operations.md tells the operator.
        """

        def look() -> Workflow | None:
            run = Workflow(self.namespace, create())
            status = wait_for(f"{run.name} taken up", lambda: _begun(run), run.explained)
            if not _UNKNOWN.fullmatch(status.get("message", "")):
                return run
            self.namespace.kubectl("delete", "workflow", run.name)
            return None

        return wait_for(f"a run of {self.name}'s template", look, self.explained)

    def workflows(self) -> list[Workflow]:
        return self.namespace.workflows(self.name)

    def published(self) -> dict[str, str]:
        """The SHA-256 of every object under the zones, by its key in the lake."""
        lake = f"{self.name}/lake/"
        keys = [key for zone in ZONES for key in self.store.states(f"{lake}{zone}/")]
        return {key.removeprefix(lake): hashlib.sha256(self.store.read(key)).hexdigest() for key in keys}

    def lake_states(self) -> dict[str, str]:
        """Every object of the lake but the reports, which are made at the end of each run."""
        states = self.store.states(f"{self.name}/lake/")
        return {key: state for key, state in states.items() if "/_control/reports/" not in key}

    def manifest(self, key: str) -> dict[str, Any]:
        return json.loads(self.store.read(f"{self.name}/lake/{key}"))

    def explained(self) -> str:
        """All runs, for whoever looks into a failure."""
        return "\n".join(run.explained() for run in self.workflows())


def _begun(run: Workflow) -> dict[str, Any] | None:
    status = run.status()
    return status if status.get("phase") else None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        there = merged.get(name)
        merged[name] = _merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return merged
