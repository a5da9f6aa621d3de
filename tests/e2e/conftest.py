"""A namespace under the restricted standard with a devstack in it, once for the whole run; a release for each test.

KUBECONFIG names the cluster. IMAGE_LOADER is a command that brings images, its arguments, into the cluster, such as
`kind load docker-image --name eventlog`. E2E_KEEP=1 leaves the namespace for a look.
"""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.config import Config

from tests.e2e.cluster import ROOT, Namespace, command, succeed
from tests.e2e.logs import assert_fit_for_all_eyes
from tests.e2e.release import Release, Store

_NAMESPACE = "E2E_NAMESPACE"
_DEVSTACK = "devstack"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before the processes start that share it (`-n`): a worker finds its name in the environment."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    missing = [tool for tool in ("kubectl", "helm", "argo") if not shutil.which(tool)]
    if missing:
        pytest.exit(f"not on the PATH: {', '.join(missing)}", returncode=4)
    if command("kubectl", "get", "--raw", "/readyz").code:
        pytest.exit("no cluster answers: set KUBECONFIG to one with Argo Workflows", returncode=4)
    _load_images()
    name = f"eventlog-e2e-{uuid.uuid4().hex[:6]}"
    os.environ[_NAMESPACE] = name
    _say(f"making the namespace {name} with a devstack in it")
    succeed("kubectl", "create", "namespace", name)
    succeed("kubectl", "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    line = ("helm", "install", _DEVSTACK, str(ROOT / "helm/devstack"), "-n", name, "--wait", "--timeout", "5m")
    ended = command(*line, timeout=400)
    if ended.code:
        pods = command("kubectl", "-n", name, "get", "pods,events").out
        _remove_namespace(name)
        pytest.exit(f"the devstack did not start: {ended.err}\n{pods}", returncode=4)


def pytest_sessionfinish(session: pytest.Session) -> None:
    name = os.environ.get(_NAMESPACE)
    if hasattr(session.config, "workerinput") or not name:
        return
    _remove_namespace(name)


def _remove_namespace(name: str) -> None:
    if os.environ.get("E2E_KEEP"):
        _say(f"the namespace {name} is left (E2E_KEEP)")
        return
    _say(f"removing the namespace {name}")
    command("kubectl", "-n", name, "delete", "workflows,cronworkflows", "--all", "--wait=false")
    command("helm", "uninstall", _DEVSTACK, "-n", name)  # what it has in other namespaces too
    succeed("kubectl", "delete", "namespace", name, "--wait=false")


def _load_images() -> None:
    loader = os.environ.get("IMAGE_LOADER")
    if not loader:
        _say("IMAGE_LOADER is not set: the images are expected to be in the cluster")
        return
    tag = os.environ.get("IMAGE_TAG") or "0.1.0"
    images = [
        f"{os.environ.get('IMAGE_REGISTRY', '')}eventlog-{stage}:{tag}" for stage in ("ingest", "clean", "feature")
    ]
    _say(f"loading {' '.join(images)}")
    succeed(*shlex.split(loader), *images, timeout=900)


def _say(what: str) -> None:
    sys.stderr.write(f"e2e: {what}\n")


@pytest.fixture(scope="session")
def namespace() -> Namespace:
    return Namespace(os.environ[_NAMESPACE])


@pytest.fixture(scope="session")
def store(namespace: Namespace) -> Iterator[Store]:
    """The lake's bucket."""
    secret = namespace.get("secret", f"{_DEVSTACK}-minio")["data"]
    key, word = (base64.b64decode(secret[name]).decode() for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    with namespace.forwarded(f"{_DEVSTACK}-minio", 9000) as address:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{address}",
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=word,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 8}),
        )
        yield Store(client, (key, word))
        client.close()


@pytest.fixture(scope="session")
def gateway(namespace: Namespace) -> Iterator[str]:
    """Address of the Pushgateway."""
    with namespace.forwarded(f"{_DEVSTACK}-pushgateway", 9091) as address:
        yield address


@pytest.fixture(scope="session")
def alertmanager(namespace: Namespace) -> Iterator[str]:
    """Address of what calls people."""
    with namespace.forwarded(f"{_DEVSTACK}-alertmanager", 9093) as address:
        yield address


@pytest.fixture(scope="session")
def prometheus(namespace: Namespace) -> Iterator[str]:
    """Address of the server that watches the gateway and Argo."""
    with namespace.forwarded(f"{_DEVSTACK}-prometheus", 9090) as address:
        yield address


@pytest.fixture
def release(namespace: Namespace, store: Store, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Release]]:
    """Makes a release by name; at the end of the test its logs are read, and it is uninstalled."""
    made: list[Release] = []

    def make(name: str) -> Release:
        made.append(Release(namespace, store, name))
        return made[-1]

    request.node.stash[_MADE] = made
    yield make
    try:
        for each in made:
            assert_fit_for_all_eyes(each)
    finally:
        if not os.environ.get("E2E_KEEP"):
            for each in made:
                _remove(each)


def _remove(release: Release) -> None:
    selector = ("-l", f"app.kubernetes.io/instance={release.name}")
    command("helm", "uninstall", "-n", release.namespace.name, release.name)
    command("kubectl", "-n", release.namespace.name, "delete", "workflows", *selector, "--wait=false")


_MADE = pytest.StashKey[list[Release]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failure comes with `argo get` and the logs of every pod of the test's releases."""
    report = yield
    if report.failed:
        for each in item.stash.get(_MADE, []):
            report.sections.append((f"runs of {each.name}", each.explained()))
    return report
