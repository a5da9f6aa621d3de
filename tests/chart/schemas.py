"""JSON schemas for kubeconform, strict, out of the Go modules of Kubernetes, Argo Workflows and the Prometheus operator.

`python tests/chart/schemas.py FOLDER`. Kubernetes publishes OpenAPI documents, the others CRDs; neither refuses an
unknown field by itself, so every object with known fields is closed here: a misspelt field is an error.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

KUBERNETES = "k8s.io/kubernetes@v1.33.4"
# Module, and its CRDs.
CRDS = {
    "github.com/argoproj/argo-workflows/v3@v3.6.10": "manifests/base/crds/full/argoproj.io_*.yaml",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/*_prometheusrules.yaml",
}


def main(folder: Path) -> None:
    """Write one file a kind, under the names that kubeconform looks for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in [*_kubernetes(), *_resource_definitions()]:
        (folder / f"{name}.json").write_text(json.dumps(schema))


def _module(name: str) -> Path:
    found = subprocess.run(["go", "mod", "download", "-json", name], check=True, stdout=subprocess.PIPE)
    return Path(json.loads(found.stdout)["Dir"])


def _kubernetes() -> Iterator[tuple[str, Any]]:
    for path in sorted((_module(KUBERNETES) / "api/openapi-spec/v3").glob("api*_openapi.json")):
        components = json.loads(path.read_text()).get("components", {}).get("schemas", {})
        definitions = _closed(json.loads(json.dumps(components).replace("#/components/schemas/", "#/definitions/")))
        for name, schema in definitions.items():
            for kind in schema.get("x-kubernetes-group-version-kind", []):
                # DeleteOptions and its like are said to be of every group; what is deployed is of one.
                if len(schema["x-kubernetes-group-version-kind"]) == 1:
                    yield _file_name(**kind), {"definitions": definitions, "$ref": f"#/definitions/{name}"}


def _resource_definitions() -> Iterator[tuple[str, Any]]:
    for path in (path for module, crds in CRDS.items() for path in sorted(_module(module).glob(crds))):
        spec = yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            yield _file_name(spec["group"], version["name"], spec["names"]["kind"]), _closed(schema)


def _file_name(group: str, version: str, kind: str) -> str:
    return "-".join(part for part in (kind.lower(), group.partition(".")[0], version) if part)


def _closed(schema: Any) -> Any:
    """The same schema, where an object with known fields has no others."""
    match schema:
        case dict():
            closed = {name: _closed(part) for name, part in schema.items()}
            if schema.get("x-kubernetes-int-or-string") is True:
                closed |= {"anyOf": [{"type": "integer"}, {"type": "string"}]}
            if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
                closed.setdefault("additionalProperties", False)
            return closed
        case list():
            return [_closed(part) for part in schema]
        case _:
            return schema


if __name__ == "__main__":
    main(Path(sys.argv[1]))
