"""The product's chart, rendered with usual and odd values and read as an operator would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.charts import (
    DEVSTACK,
    PLACES,
    PRODUCT,
    SCHEMAS,
    VALUES,
    Document,
    Pod,
    command,
    containers,
    named,
    of_kind,
    pods,
    refusal,
    render,
)
from tests.chart.values_schema import settings_schema

RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@pytest.fixture(params=VALUES)
def product(request: pytest.FixtureRequest) -> list[Document]:
    return render(PRODUCT, *VALUES[request.param])


@pytest.fixture
def odd() -> list[Document]:
    return render(PRODUCT, *VALUES["odd"])


def stage(documents: list[Document], name: str) -> Pod:
    [found] = [pod for pod in pods(documents) if pod.name == f"WorkflowTemplate weekly {name}"]
    return found


def main_of(pod: Pod) -> Document:
    [found] = [container for container in containers(pod) if container["name"] == "main"]
    return found


def env_of(container: Document) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def test_every_pod_is_restricted(product: list[Document]) -> None:
    found = list(pods(product))
    assert len(found) == 9, "six stages, two of the backfill, and the test"
    for pod in found:
        assert pod.spec["securityContext"]["runAsNonRoot"] is True, pod.name
        assert pod.spec["securityContext"]["runAsUser"] == 65532, pod.name
        assert pod.spec["securityContext"]["fsGroup"] == 65532, pod.name
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        for container in containers(pod):
            assert container["securityContext"] == RESTRICTED, (pod.name, container["name"])
            assert "memory" in container["resources"]["limits"], (pod.name, container["name"])


def test_no_stage_has_a_token_for_the_api(product: list[Document]) -> None:
    for pod in pods(product):
        assert pod.spec["automountServiceAccountToken"] is False, pod.name
        assert pod.spec["enableServiceLinks"] is False, pod.name
        for container in containers(pod):
            mounted = [mount["name"] for mount in container.get("volumeMounts", [])]
            assert mounted == (["argo-token"] if container["name"] in {"init", "wait"} else ["scratch"]), pod.name
    assert all(account["automountServiceAccountToken"] is False for account in of_kind(product, "ServiceAccount"))


def test_scratch_is_the_only_place_to_write_and_is_bounded(product: list[Document]) -> None:
    for pod in pods(product):
        [scratch] = [volume for volume in pod.spec["volumes"] if volume["name"] == "scratch"]
        assert "sizeLimit" in scratch.get("emptyDir", {}) or "ephemeral" in scratch, pod.name


def test_every_name_is_the_releases_and_leads_somewhere(product: list[Document]) -> None:
    names = {(document["kind"], document["metadata"]["name"]) for document in product}
    assert {name.partition("-")[0] for _, name in names} == {"weekly"}
    for pod in pods(product):
        assert ("ServiceAccount", pod.spec["serviceAccountName"]) in names, pod.name
        for source in (s for c in containers(pod) for s in c.get("envFrom", [])):
            if "configMapRef" in source:
                assert ("ConfigMap", source["configMapRef"]["name"]) in names, pod.name
    templates = {
        (document["metadata"]["name"], template["name"])
        for document in of_kind(product, "WorkflowTemplate")
        for template in document["spec"]["templates"]
    }
    for reference in found_below(product, "templateRef"):
        assert (reference["name"], reference["template"]) in templates
    for reference in found_below(product, "workflowTemplateRef"):
        assert ("WorkflowTemplate", reference["name"]) in names
    mutexes = [mutex["name"] for mutexes in found_below(product, "mutexes") for mutex in mutexes]
    assert mutexes == ["weekly-{{inputs.parameters.week}}", "weekly-feature"]
    [binding], [role] = of_kind(product, "RoleBinding"), of_kind(product, "Role")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert {("ServiceAccount", subject["name"]) for subject in binding["subjects"]} == {
        entry for entry in names if entry[0] == "ServiceAccount"
    }


def found_below(where: Any, key: str) -> Iterator[Any]:
    match where:
        case dict():
            for name, value in where.items():
                if name == key:
                    yield value
                yield from found_below(value, key)
        case list():
            for value in where:
                yield from found_below(value, key)


def test_the_executor_may_only_say_how_its_pod_ended(product: list[Document]) -> None:
    [role] = of_kind(product, "Role")
    rule = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
    assert role["rules"] == [rule]


def test_every_object_carries_the_standard_labels(product: list[Document]) -> None:
    for document in product:
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "eventlog", document["metadata"]["name"]
        assert labels["app.kubernetes.io/instance"] == "weekly"
        assert labels["helm.sh/chart"] == "eventlog-0.1.0"


def test_each_stage_runs_its_module_from_its_image_with_its_rights(product: list[Document]) -> None:
    image_of = {"ingest": "ingest", "clean": "clean", "feature": "feature"}
    for name in ("plan", "ingest", "clean", "feature", "report", "verdict"):
        pod = stage(product, name)
        main = main_of(pod)
        module = name if name in image_of else "control"
        assert main["command"][:6] == ["tini", "-s", "--", "python3", "-m", f"services.{module}"]
        assert f"eventlog-{image_of.get(name, 'ingest')}" in main["image"]
        assert pod.spec["serviceAccountName"] == f"weekly-{module}"
        assert {"EVENTLOG_RUN_ID", "EVENTLOG_ATTEMPT", "EVENTLOG_PUSH_JOB", "EVENTLOG_OUTPUTS"} <= env_of(main).keys()
        assert env_of(main)["EVENTLOG_PUSH_JOB"].startswith(("weekly", "{{inputs.parameters.job}}"))
        limit = env_of(main)["EVENTLOG_MEMORY_LIMIT"]
        assert limit == {"resourceFieldRef": {"containerName": "main", "resource": "limits.memory"}}


def test_every_setting_of_the_program_is_a_value_and_no_other() -> None:
    schema = json.loads((PRODUCT / "values.schema.json").read_text())
    assert schema["properties"]["settings"]["properties"] == settings_schema(), "run `make docs`"


def test_the_program_takes_the_settings_as_the_chart_writes_them(
    product: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.runtime.settings import load_settings

    for name, value in named(product, "ConfigMap", "weekly")["data"].items():
        monkeypatch.setenv(name, value)
    assert load_settings().lake.startswith("s3://")


def test_gates_are_on_by_default_and_null_turns_one_off(odd: list[Document]) -> None:
    default = named(render(PRODUCT, *PLACES), "ConfigMap", "weekly")["data"]
    assert default["EVENTLOG_SETTLE_SECONDS"] == "900"
    assert len([name for name in default if name.startswith("EVENTLOG_GATE_")]) == 6
    data = named(odd, "ConfigMap", "weekly")["data"]
    assert "EVENTLOG_GATE_ERROR_RATIO" not in data
    assert data["EVENTLOG_GATE_RAW_BYTES"] == "18000000000"
    assert data["EVENTLOG_DAY_FIRST"] == "true"
    assert data["EVENTLOG_VOLATILE_FIELDS"] == 'LogTime,"Quoted: {{x}}"'
    assert data["AWS_ENDPOINT_URL_S3"] == "https://store.example:9000"


def test_odd_values_arrive_where_they_belong(odd: list[Document]) -> None:
    ingest, clean, control = (stage(odd, name) for name in ("ingest", "clean", "plan"))
    assert main_of(ingest)["image"] == "registry.example:5000/team/eventlog-ingest:v9"
    assert main_of(ingest)["resources"] == {
        "requests": {
            "cpu": "250m",
            "memory": "{{=64 * 2 ** asInt(retries)}}Mi",
            "ephemeral-storage": "256Mi",
        },
        "limits": {"cpu": "1.5", "memory": "{{=64 * 2 ** asInt(retries)}}Mi"},
    }
    claim = ingest.spec["volumes"][0]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"] == {"requests": {"storage": "1Ti"}}
    assert control.spec["volumes"][0] == {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}}
    assert main_of(ingest)["envFrom"][1] == {"secretRef": {"name": "shared-keys"}}
    assert main_of(clean)["envFrom"] == [{"configMapRef": {"name": "weekly"}}, {"secretRef": {"name": "clean-keys"}}]
    account = named(odd, "ServiceAccount", "weekly-control")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws-cn:iam::123456789012:role/x/y"}
    for name in ("weekly", "weekly-backfill"):
        spec = named(odd, "WorkflowTemplate", name)["spec"]
        assert spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
        assert spec["podMetadata"]["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}
        assert spec["nodeSelector"] == {"disk": "nvme"}
        assert spec["tolerations"] == [{"key": "batch", "operator": "Exists"}]
        assert spec["podGC"] == {"strategy": "OnWorkflowCompletion"}, "volumes cost as long as their pods stay"
    templates = {t["name"]: t for t in named(odd, "WorkflowTemplate", "weekly")["spec"]["templates"]}
    assert templates["weeks"]["parallelism"] == 4
    assert templates["report"]["outputs"]["artifacts"][0]["path"] in templates["report"]["container"]["args"][-1]
    cron = named(odd, "CronWorkflow", "weekly")
    assert (cron["spec"]["schedules"], cron["spec"]["suspend"]) == (["@daily"], True)
    for labels in (cron["metadata"]["labels"], cron["spec"]["workflowMetadata"]["labels"]):
        assert labels["workflows.argoproj.io/controller-instanceid"] == "two"
    [policy] = of_kind(odd, "NetworkPolicy")
    assert policy["spec"]["egress"][1] == {
        "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "ports": [{"port": 8443, "protocol": "TCP"}],
    }


def test_on_eks_images_are_named_by_digest_and_stages_by_role() -> None:
    eks = render(PRODUCT, *VALUES["eks"])
    for name in ("ingest", "clean", "feature"):
        assert "@sha256:" in main_of(stage(eks, name))["image"]
        assert [list(source) for source in main_of(stage(eks, name))["envFrom"]] == [["configMapRef"]], "no secret"
        role = named(eks, "ServiceAccount", f"weekly-{name}")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        assert role.endswith(f"eventlog-{name}")


def test_policies_select_every_pod_of_the_release(product: list[Document]) -> None:
    [policy] = of_kind(product, "NetworkPolicy")
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    for template in of_kind(product, "WorkflowTemplate"):
        assert chosen.items() <= template["spec"]["podMetadata"]["labels"].items()
    [test] = of_kind(product, "Pod")
    assert chosen.items() <= test["metadata"]["labels"].items()
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == []


@pytest.mark.parametrize(
    ("value", "named_as"),
    [
        ("settings.gate_error_ratio=1.5", "/settings/gate_error_ratio"),
        ("settings.gate_eror_ratio=0.5", "gate_eror_ratio"),
        ("settings.settle_seconds=-1", "/settings/settle_seconds"),
        ("settings.settle_seconds=soon", "/settings/settle_seconds"),
        ("settings.source=data", "/settings/source"),
        ("settings.source=", "/settings/source"),
        ("settings.on_bad_file=ignore", "/settings/on_bad_file"),
        ("settings.pushgateway=pushgateway:9091", "/settings/pushgateway"),
        ("settings.run_id=mine", "run_id"),
        ("stages.ingest.memoryMi=1Gi", "/stages/ingest/memoryMi"),
        ("stages.ingest.memoryMi=32", "/stages/ingest/memoryMi"),
        ("stages.clean.memory=1024", "memory"),
        ("stages.clean.scratch=10", "/stages/clean/scratch"),
        ("stages.clean.cpuLimit=two", "/stages/clean/cpuLimit"),
        ("stages.feature.roleArn=eventlog", "/stages/feature/roleArn"),
        ("image.tag=a b", "/image/tag"),
        ("image.digests.clean=sha256:1", "/image/digests/clean"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("parallelWeeks=0", "/parallelWeeks"),
        ("cron.suspend=maybe", "/cron/suspend"),
        ("cron.schedules={every day}", "/cron/schedules/0"),
        ("credentialsSecret=My_Keys", "/credentialsSecret"),
        ("credentials.secretKey=abc", "credentials"),
        ("networkPolicy.ports={0}", "/networkPolicy/ports/0"),
        ("s3.endpoint=minio:9000", "/s3/endpoint"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(value: str, named_as: str) -> None:
    said = refusal("--set", value)
    assert "values don't meet the specifications" in said
    assert named_as in said


def test_without_argo_it_says_what_is_missing() -> None:
    done = command("helm", "template", "weekly", PRODUCT, *PLACES)
    assert done.returncode != 0
    assert "Argo Workflows is not in this cluster" in done.stderr


def test_a_release_name_that_makes_names_too_long_is_refused() -> None:
    done = command(
        "helm", "template", "w" * 41, PRODUCT, *PLACES, "--api-versions", "argoproj.io/v1alpha1/WorkflowTemplate"
    )
    assert done.returncode != 0
    assert "more than 40 characters" in done.stderr


@pytest.mark.parametrize("chart", [PRODUCT, DEVSTACK])
def test_helm_lint_has_nothing_to_say(chart: Path) -> None:
    done = command("helm", "lint", "--strict", chart, *(PLACES if chart == PRODUCT else []))
    assert done.returncode == 0, done.stdout
    assert "0 chart(s) failed" in done.stdout


def kubeconform(documents: list[Document]) -> str:
    """Nothing where every object is valid, else what is not."""
    assert any(SCHEMAS.glob("*.json")), "no schemas: run `make test-chart`"
    location = f"{SCHEMAS}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    text = yaml.safe_dump_all(documents)
    done = command("kubeconform", "-strict", "-schema-location", location, "-", stdin=text)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_every_object_is_what_kubernetes_and_argo_expect(product: list[Document]) -> None:
    assert kubeconform(product) == ""


@pytest.mark.parametrize("arguments", [[], ["--set", "persistence.enabled=true"]])
def test_every_object_of_the_devstack_is_too(arguments: list[str]) -> None:
    assert kubeconform(render(DEVSTACK, *arguments)) == ""


@pytest.mark.parametrize("kind", ["ServiceAccount", "NetworkPolicy", "Role", "Pod", "WorkflowTemplate", "CronWorkflow"])
def test_kubeconform_would_say_so_if_a_field_were_misspelt(kind: str) -> None:
    document = of_kind(render(PRODUCT, *PLACES), kind)[0]
    document.get("spec", document)["mispelt"] = 1
    assert "mispelt" in kubeconform([document])


def test_the_package_holds_the_workflow_files(tmp_path: Path) -> None:
    done = command("helm", "package", PRODUCT, "-d", tmp_path)
    assert done.returncode == 0, done.stderr
    [package] = tmp_path.glob("*.tgz")
    inside = command("tar", "-tzf", package).stdout.split()
    for name in ("workflow-template", "backfill-template", "cron-workflow"):
        assert f"eventlog/workflows/{name}.yaml" in inside
    assert not [name for name in inside if "devstack" in name or "submit" in name]


def test_the_readme_explains_every_value() -> None:
    text = (PRODUCT.parent / "README.md").read_text()
    table = text.partition("| value | is |\n")[2].partition("\n\n")[0]
    explained = [name for row in table.splitlines()[1:] for name in re.findall("`(\\w+)`", row.split("|")[1])]
    assert sorted(explained) == sorted(yaml.safe_load((PRODUCT / "values.yaml").read_text()))
