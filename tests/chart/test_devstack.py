"""The devstack's chart: restricted as the product, and what Prometheus and Alertmanager read is what they take."""

from __future__ import annotations

import base64

import pytest
import yaml

from tests.chart.charts import DEVSTACK, WITH_ARGO, Document, command, containers, named, of_kind, pods, render

RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(params=[[], ["--set", "persistence.enabled=true,minio.existingSecret=mine,prometheus.argoNamespace="]])
def devstack(request: pytest.FixtureRequest) -> list[Document]:
    return render(DEVSTACK, *request.param, release="stand-in")


def test_every_pod_is_restricted(devstack: list[Document]) -> None:
    found = list(pods(devstack))
    assert len(found) == 4
    for pod in found:
        assert pod.spec["securityContext"]["runAsNonRoot"] is True, pod.name
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        assert pod.spec["enableServiceLinks"] is False, pod.name
        assert pod.spec["automountServiceAccountToken"] is False, pod.name
        for container in containers(pod):
            assert container["securityContext"] == RESTRICTED, (pod.name, container["name"])
            assert "memory" in container["resources"]["limits"], (pod.name, container["name"])


def test_names_are_the_releases(devstack: list[Document]) -> None:
    for document in devstack:
        assert document["metadata"]["name"].removeprefix("demo-").startswith("stand-in-")


def test_every_service_finds_its_pods(devstack: list[Document]) -> None:
    labels = [document["spec"]["template"]["metadata"]["labels"] for document in of_kind(devstack, "Deployment")]
    for service in of_kind(devstack, "Service"):
        if service["metadata"]["namespace"] == "argo":
            continue
        assert len([one for one in labels if service["spec"]["selector"].items() <= one.items()]) == 1


def test_prometheus_keeps_the_labels_of_who_pushed() -> None:
    documents = render(DEVSTACK, release="stand-in")
    config = yaml.safe_load(named(documents, "ConfigMap", "stand-in-prometheus")["data"]["prometheus.yml"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["pushgateway"]["honor_labels"] is True
    assert jobs["pushgateway"]["static_configs"] == [{"targets": ["stand-in-pushgateway:9091"]}]
    assert jobs["argo"]["scheme"] == "https"


def test_argo_is_scraped_by_a_service_beside_it_and_only_if_it_is_there() -> None:
    documents = render(DEVSTACK, release="stand-in")
    service = named(documents, "Service", "demo-stand-in-argo-metrics")
    assert service["metadata"]["namespace"] == "argo"
    without = render(DEVSTACK, "--set", "prometheus.argoNamespace=")
    assert {document["metadata"]["namespace"] for document in without} == {"demo"}


def test_keys_are_made_where_none_are_given_and_never_stand_in_a_pod(devstack: list[Document]) -> None:
    made = [s for s in of_kind(devstack, "Secret") if s["metadata"]["name"] == "stand-in-minio"]
    for secret in made:
        assert len(base64.b64decode(secret["data"]["AWS_SECRET_ACCESS_KEY"])) == 40
    used = {
        entry["valueFrom"]["secretKeyRef"]["name"]
        for pod in pods(devstack)
        for container in containers(pod)
        for entry in container.get("env", [])
        if entry["name"].startswith("MINIO_ROOT")
    }
    assert used == ({"stand-in-minio"} if made else {"mine"})


@pytest.mark.parametrize("value", ["minio.bucket=A", "images.minio=", "persistence.size=10", "promethius.rules.a=b"])
def test_a_bad_value_is_refused_by_its_name(value: str) -> None:
    done = command("helm", "template", "x", DEVSTACK, *WITH_ARGO, "--set", value)
    assert done.returncode != 0
    assert value.partition("=")[0].split(".")[0] in done.stderr


def test_other_rules_restart_prometheus() -> None:
    def checksum(*arguments: str) -> str:
        deployment = named(render(DEVSTACK, *arguments, release="stand-in"), "Deployment", "stand-in-prometheus")
        return deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum() == checksum()
    assert checksum() != checksum("--set-string", "prometheus.rules.mine\\.yaml=groups: []")
