"""The workflow files as they are, and as the chart deploys them: Argo takes both, and says no to a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.chart.charts import PRODUCT, VALUES, WORKFLOWS, Document, command, files, named, of_kind, render

TEMPLATES = ["main", "plan", "weeks", "week", "ingest", "clean", "feature", "report", "verdict"]


def lint(folder: Path) -> str:
    """Nothing where Argo has nothing to say, else what it says."""
    done = command("argo", "lint", "--offline", "--strict", "--no-color", folder)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture
def plain() -> Document:
    return named(files(), "WorkflowTemplate", "eventlog")


def test_argo_takes_the_files() -> None:
    assert lint(WORKFLOWS) == ""


@pytest.mark.parametrize("values", VALUES)
def test_argo_takes_what_the_chart_makes_of_them(values: str, tmp_path: Path) -> None:
    documents = of_kind(render(PRODUCT, *VALUES[values]), "WorkflowTemplate", "CronWorkflow")
    assert len(documents) == 3
    (tmp_path / "rendered.yaml").write_text(yaml.safe_dump_all(documents))
    assert lint(tmp_path) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("retryPolicy:", "retryPolice:", "retryPolice"),
        ("template: weeks\n", "template: week-s\n", "week-s"),
        ("{{tasks.plan.outputs.parameters.weeks}}", "{{tasks.plan.outputs.parameters.week}}", "tasks.plan.outputs"),
    ],
)
def test_argo_would_say_so_if_a_file_were_wrong(right: str, wrong: str, said: str, tmp_path: Path) -> None:
    text = (WORKFLOWS / "workflow-template.yaml").read_text()
    assert right in text
    (tmp_path / "broken.yaml").write_text(text.replace(right, wrong))
    assert said in lint(tmp_path)


def test_the_templates_have_their_names(plain: Document) -> None:
    assert [template["name"] for template in plain["spec"]["templates"]] == TEMPLATES


def test_the_backfill_differs_only_where_it_has_to(plain: Document) -> None:
    """A workflow takes none of this from a template that it refers to, so it stands in both files."""
    weekly, backfill = plain["spec"], named(files(), "WorkflowTemplate", "eventlog-backfill")["spec"]
    for spec, job in ((weekly, "eventlog"), (backfill, "eventlog-backfill")):
        env = spec["templateDefaults"]["container"]["env"]
        [place] = [n for n, entry in enumerate(env) if entry["name"] == "EVENTLOG_PUSH_JOB"]
        assert env.pop(place)["value"] == job
    its_own = {"arguments", "activeDeadlineSeconds", "templates"}
    assert {k: v for k, v in weekly.items() if k not in its_own} == {
        k: v for k, v in backfill.items() if k not in its_own
    }
    plan, other_plan = (next(t for t in spec["templates"] if t["name"] == "plan") for spec in (weekly, backfill))
    assert plan["container"].pop("args") != other_plan["container"].pop("args")
    assert plan == other_plan
    assert weekly["templates"][-1] == backfill["templates"][-1], "the verdicts"


def test_only_leaves_are_retried_and_only_what_may_get_better(plain: Document) -> None:
    """On a DAG the exit code is always -1: every error would be retried."""
    for template in plain["spec"]["templates"]:
        assert ("retryStrategy" in template) == ("container" in template), template["name"]
        if "container" in template:
            retry = template["retryStrategy"]
            assert retry["expression"] == "asInt(lastRetry.exitCode) not in [2, 3, 4, 5]"
            assert retry["limit"] == 2
            assert retry["retryPolicy"] == "Always"
            assert template["activeDeadlineSeconds"] > 0


def test_memory_doubles_with_every_retry_from_what_the_container_asks_for(plain: Document) -> None:
    for template in (t for t in plain["spec"]["templates"] if "container" in t):
        [main] = yaml.safe_load(template["podSpecPatch"])["containers"]
        first = template["container"]["resources"]["limits"]["memory"]
        mebibytes = {"1Gi": 1024, "512Mi": 512}[first]
        grown = f"{{{{={mebibytes} * 2 ** asInt(retries)}}}}Mi"
        assert main == {"name": "main", "resources": {"requests": {"memory": grown}, "limits": {"memory": grown}}}


def test_parameters_are_explained_and_those_with_a_choice_name_it() -> None:
    for template in of_kind(files(), "WorkflowTemplate"):
        for parameter in template["spec"]["arguments"]["parameters"]:
            assert len(parameter["description"]) > 20, parameter
            assert ("enum" in parameter) == (parameter["name"] in {"force", "dry-run"}), parameter


def test_the_file_for_kubectl_gives_parameters_that_the_template_has(plain: Document) -> None:
    [submit] = of_kind(files(), "Workflow")
    known = [parameter["name"] for parameter in plain["spec"]["arguments"]["parameters"]]
    assert [parameter["name"] for parameter in submit["spec"]["arguments"]["parameters"]] == known
    assert submit["spec"]["workflowTemplateRef"]["name"] == plain["metadata"]["name"]


def test_the_schedule_keeps_what_the_retention_keeps() -> None:
    """A CronWorkflow removes its own runs by count, 3 good and 1 failed by default, whatever their ttlStrategy says."""
    cron = named(files(), "CronWorkflow", "eventlog")["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    assert cron["timezone"] == "Etc/UTC"
    assert cron["startingDeadlineSeconds"] == 86400
    assert cron["successfulJobsHistoryLimit"] > len(cron["schedules"]) * 2
    assert cron["failedJobsHistoryLimit"] > len(cron["schedules"]) * 5
