"""Helm and Argo as a user runs them, and what they say."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
PRODUCT, DEVSTACK, WORKFLOWS = ROOT / "helm", ROOT / "helm/devstack", ROOT / "workflows"
SCHEMAS = ROOT / ".tools/schemas"
# What the cluster has to have; without one Helm has to be told.
WITH_ARGO = ["--api-versions", "argoproj.io/v1alpha1/WorkflowTemplate,monitoring.coreos.com/v1/PrometheusRule"]
PLACES = ["--set", "settings.source=s3://bucket/drops,settings.lake=s3://bucket/lake"]
# By name: the arguments with which the product is rendered for every test that is about all of them.
VALUES: Mapping[str, list[str]] = {
    "default": PLACES,
    "kind": ["-f", str(PRODUCT / "values-kind.yaml")],
    "eks": ["-f", str(PRODUCT / "values-eks.yaml")],
    "odd": ["-f", str(Path(__file__).with_name("odd.yaml"))],
}

Document = dict[str, Any]


class Pod(NamedTuple):
    """A pod as the cluster gets it, whoever makes it."""

    name: str
    spec: Document
    """A PodSpec; for a workflow's template with defaults and patches merged in, as Argo does."""


def command(*words: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(w) for w in words], input=stdin, capture_output=True, text=True, check=False, timeout=120
    )


def render(chart: Path, *arguments: str, release: str = "weekly", namespace: str = "demo") -> list[Document]:
    """Every object of a chart under another release name than the files' own."""
    done = command("helm", "template", release, chart, "-n", namespace, *WITH_ARGO, *arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def refusal(*arguments: str) -> str:
    """What Helm says when it does not take the values."""
    done = command("helm", "template", "weekly", PRODUCT, *WITH_ARGO, *PLACES, *arguments)
    assert done.returncode != 0, "these values were taken"
    return done.stderr


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    return [document for document in documents if document["kind"] in kinds]


def named(documents: list[Document], kind: str, name: str) -> Document:
    [found] = [document for document in of_kind(documents, kind) if document["metadata"]["name"] == name]
    return found


def files() -> list[Document]:
    """The workflow files as they are in the repository."""
    return [yaml.safe_load(path.read_text()) for path in sorted(WORKFLOWS.glob("*.yaml"))]


def pods(documents: list[Document]) -> Iterator[Pod]:
    """Every pod that comes of these objects."""
    for document in documents:
        name = f"{document['kind']} {document['metadata'].get('name')}"
        match document["kind"]:
            case "Pod":
                yield Pod(name, document["spec"])
            case "Deployment":
                yield Pod(name, document["spec"]["template"]["spec"])
            case "WorkflowTemplate":
                for template in document["spec"]["templates"]:
                    if "container" in template:
                        yield Pod(f"{name} {template['name']}", _workflow_pod(document["spec"], template))


def containers(pod: Pod) -> list[Document]:
    return [*pod.spec.get("initContainers", []), *pod.spec["containers"]]


def _workflow_pod(spec: Document, template: Document) -> Document:
    """As Argo makes it: its init and wait beside main, then both patches."""
    defaults = spec["templateDefaults"]["container"]
    env = {entry["name"]: entry for entry in [*defaults["env"], *template["container"].get("env", [])]}
    main = {"name": "main", **defaults, **template["container"], "env": list(env.values())}
    pod = {
        "serviceAccountName": template.get("serviceAccountName", spec["serviceAccountName"]),
        "securityContext": spec["securityContext"],
        "volumes": template.get("volumes", []),
        "initContainers": [{"name": "init"}],
        "containers": [{"name": "wait"}, main],
    }
    for patch in (yaml.safe_load(spec["podSpecPatch"]), yaml.safe_load(template["podSpecPatch"])):
        pod = _merged(pod, patch)
    return pod


def _merged(base: Any, patch: Any) -> Any:
    """A strategic merge: objects by key, lists of named things by name, all else replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {key: _merged(base.get(key), patch.get(key)) if key in patch else base[key] for key in {**base, **patch}}
    if isinstance(base, list) and isinstance(patch, list) and all("name" in entry for entry in base + patch):
        by_name = {entry["name"]: entry for entry in base}
        return list((by_name | {e["name"]: _merged(by_name.get(e["name"], {}), e) for e in patch}).values())
    return patch
