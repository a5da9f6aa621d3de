# The commands of this project; `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
EVENTLOG := $(VENV)/bin/eventlog
PYTEST := $(PY) -m pytest
# As many processes as cores; each takes tests from the others' ends when its own are done.
PARALLEL := -n auto --dist worksteal
PIP := $(PY) -m pip --disable-pip-version-check --quiet
KERNEL_SOURCES := kernel/Cargo.toml kernel/Cargo.lock kernel/pyproject.toml $(wildcard kernel/src/*.rs)
# Pins stay as they are in the lock files; `make lock UPGRADE=--upgrade` moves them.
UPGRADE ?=
UV_COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock' $(UPGRADE)

DATA ?=
LAKE ?= lake
WEEK ?= auto

# Names of the images: $(IMAGE_REGISTRY)eventlog-ingest:$(IMAGE_TAG); a registry ends in a slash.
IMAGE_REGISTRY ?=
IMAGE_TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE_IMAGE ?= python:3.11-slim-bookworm
IMAGES = $(foreach stage,ingest clean feature,$(IMAGE_REGISTRY)eventlog-$(stage):$(IMAGE_TAG))

# Runs of the workflow side by side on the cluster, and more options for pytest, such as E2E='-k corrupt'.
E2E_PARALLEL ?= 6
E2E ?=

BENCH_VENV := .venv-bench
# Options for the bench, such as BENCH='--rows 1000000x3 --skip spark'; `python -m bench.run --help` lists them.
BENCH ?=
BENCH_DROPS = $(if $(DATA),--drop $(if $(filter auto,$(WEEK)),$(wildcard $(DATA)/????-??-??),$(DATA)/$(WEEK)))

.PHONY: help setup run test test-integration test-spark test-faults test-kernel check docs lock clean bench bench-scale bench-profile
.PHONY: images lint-images test-images e2e
.PHONY: test-browser

help: ## list these commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'
	@echo
	@echo "  make run DATA=drops LAKE=lake WEEK=2024-05-10    DATA and LAKE: folders or s3://bucket/prefix"

setup: $(VENV)/.kernel ## the virtual environment .venv, with the command .venv/bin/eventlog
	@echo "ready: $(EVENTLOG) ($$($(PY) -c 'import eventlog_kernel' 2>/dev/null && echo native || echo Python) kernel)"

run: $(VENV)/.kernel ## drops in DATA (default: a sample) become clean data and features in LAKE
	@if [ -z "$(DATA)" ]; then \
		for week in 2024-05-10 2024-05-17; do \
			if ls data/$$week/*.parquet >/dev/null 2>&1; then \
				echo "sample drop data/$$week is there"; \
			else \
				echo "making a sample drop of 200,000 rows in data/$$week"; \
				$(EVENTLOG) -q sample --source data --rows 200000 --weeks $$week --json >/dev/null; \
			fi; \
		done; \
	fi
	@echo "running ingest, clean and feature from $(or $(DATA),data) into $(LAKE)"
	@$(EVENTLOG) run --source '$(or $(DATA),data)' --lake '$(LAKE)' --week '$(WEEK)'

test: $(VENV)/.dev ## unit, property and integration tests (the last where a container engine answers)
	@echo "running the tests"
	@$(PYTEST) $(PARALLEL) -m 'not (spark or faults_full or chart or alerts or images or e2e or browser)'

test-integration: $(VENV)/.dev ## integration tests against a real MinIO; fails where no container engine answers
	@echo "running the integration tests"
	@$(PYTEST) $(PARALLEL) -m integration --require-integration

test-browser: $(VENV)/.dev ## the report in a real browser; fails where Chromium is not installed
	@command -v chromium chromium-browser google-chrome >/dev/null || \
		{ echo "chromium is not there: install it (Debian: apt install chromium fonts-dejavu-core)"; exit 1; }
	@echo "opening the report in Chromium"
	@$(PYTEST) -m browser tests/browser

test-spark: $(VENV)/.spark ## the Spark examples (needs Java)
	@echo "running the tests that need Spark"
	@$(PYTEST) -m spark tests/docs

test-faults: $(VENV)/.dev ## the publish protocol under every fault, all of the matrix (a quarter of an hour)
	@echo "running the fault matrix"
	@$(PYTEST) $(PARALLEL) tests/faults

test-kernel: $(VENV)/.dev ## the native kernel's own tests and lints (needs cargo)
	@command -v cargo >/dev/null || { echo "cargo is not there: install Rust (rustup, or Debian's cargo) to work on the kernel"; exit 1; }
	@echo "cargo test, clippy, fmt"
	@cd kernel && PYO3_PYTHON=$(CURDIR)/$(PY) cargo test --locked --quiet && \
		cargo clippy --locked --quiet --all-targets -- -D warnings && cargo fmt --check

.PHONY: test-alerts e2e-alerts

test-alerts: $(VENV)/.dev ## alert rules, dashboard and four trials on a real Prometheus (Debian: apt install prometheus …)
	@echo "checking rules, dashboard and four trials"
	@$(PYTEST) tests/alerts -m 'not trials_full'

e2e-alerts: $(VENV)/.dev ## all ten trials: from a bad drop to the alert that arrives, and its end
	@echo "running all ten trials"
	@$(PYTEST) tests/alerts/test_trials.py

TOOLS := .tools
HELM := $(or $(shell command -v helm),$(TOOLS)/helm)
.PHONY: test-chart kind-up kind-down

test-chart: $(VENV)/.dev ## charts and workflow files: rendered, linted, held against schemas (needs helm, argo, Go)
	@missing=; for tool in helm argo go; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then echo "not on the PATH:$$missing (helm.sh, the releases of Argo Workflows, go.dev)"; exit 1; fi
	@$(MAKE) $(TOOLS)/kubeconform $(TOOLS)/schemas
	@echo "rendering and checking the charts"
	@PATH="$(abspath $(TOOLS)):$$PATH" $(PYTEST) tests/chart

$(TOOLS)/kubeconform:
	@echo "building kubeconform"
	@GOBIN=$(abspath $(TOOLS)) go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0

$(TOOLS)/schemas: tests/chart/schemas.py | $(VENV)/.dev
	@echo "making the schemas of Kubernetes and Argo"
	@rm -rf $@ && $(PY) $< $@

kind-up: $(VENV)/.kernel ## kind, Argo, a devstack and the pipeline on this machine, with a sample drop (needs kind, docker, kubectl, helm)
	@helm/kind-up.sh

kind-down: ## remove what kind-up made, the lake in it too
	@kind delete cluster --name eventlog

# Delivery. CI calls these; what a target needs is said where it is missing.
SBOM := sbom
DIGESTS := build/digests
HELM_VALUES ?= helm/values-eks.yaml
NAMESPACE ?= eventlog
VOLUMES ?=
.PHONY: check-delivery sbom release-tag push-images sign deploy smoke compose-up compose-run compose-down

check-delivery: $(VENV)/.dev $(TOOLS)/actionlint ## the CI files: actionlint, GitLab's schema, actions pinned (needs Go)
	@echo "actionlint: .github/workflows"
	@$(TOOLS)/actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
	@echo "check-jsonschema: .gitlab-ci.yml"
	@$(VENV)/bin/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci .gitlab-ci.yml

sbom: $(TOOLS)/syft ## a list of everything in each image, as CycloneDX, in sbom/ (needs Go)
	@mkdir -p $(SBOM)
	@for stage in ingest clean feature; do \
		echo "listing $(IMAGE_REGISTRY)eventlog-$$stage:$(IMAGE_TAG)"; \
		$(TOOLS)/syft scan --quiet docker:$(IMAGE_REGISTRY)eventlog-$$stage:$(IMAGE_TAG) \
			-o cyclonedx-json=$(SBOM)/eventlog-$$stage.cdx.json; \
	done

release-tag: ## stop unless TAG is v and the program's version
	@[ "$(TAG)" = "v$(IMAGE_TAG)" ] || { echo "the tag is '$(TAG)', the program's version v$(IMAGE_TAG)"; exit 1; }

push-images: images ## images to IMAGE_REGISTRY, their digests to build/digests (needs docker; for ECR the aws CLI)
	@mkdir -p $(DIGESTS)
	@registry="$(firstword $(subst /, ,$(IMAGE_REGISTRY)))"; [ -n "$$registry" ] || { echo "IMAGE_REGISTRY is empty"; exit 1; }; \
	case "$$registry" in *.dkr.ecr.*) \
		aws ecr get-login-password | docker login --username AWS --password-stdin "$$registry" >/dev/null;; esac
	@for stage in ingest clean feature; do \
		image=$(IMAGE_REGISTRY)eventlog-$$stage; \
		docker push --quiet $$image:$(IMAGE_TAG); \
		docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' $$image:$(IMAGE_TAG) \
			| sed -n "s|^$$image@||p" >$(DIGESTS)/$$stage; \
		[ -s $(DIGESTS)/$$stage ] || { echo "$$image: the registry gave no digest"; exit 1; }; \
	done

sign: $(TOOLS)/cosign ## sign the pushed images by digest, with their SBOM as attestation (needs an OIDC identity)
	@for stage in ingest clean feature; do \
		image=$(IMAGE_REGISTRY)eventlog-$$stage@$$(cat $(DIGESTS)/$$stage); \
		$(TOOLS)/cosign sign --yes $$image; \
		$(TOOLS)/cosign attest --yes --type cyclonedx --predicate $(SBOM)/eventlog-$$stage.cdx.json $$image; \
	done

deploy: $(HELM) ## helm upgrade with the pushed digests; EKS_CLUSTER names a cluster, else that of KUBECONFIG (needs helm or Go)
	@for stage in ingest clean feature; do \
		[ -s $(DIGESTS)/$$stage ] || { echo "no digest of eventlog-$$stage: make push-images"; exit 1; }; \
	done
	@if [ -n "$${EKS_CLUSTER:-}" ]; then aws eks update-kubeconfig --name "$$EKS_CLUSTER" >/dev/null; fi
	@$(HELM) upgrade --install eventlog helm --namespace $(NAMESPACE) --create-namespace --values $(HELM_VALUES) \
		--set-string image.registry=$(patsubst %/,%,$(IMAGE_REGISTRY)) \
		$(foreach stage,ingest clean feature,--set-string image.digests.$(stage)=$$(cat $(DIGESTS)/$(stage))) \
		--atomic --timeout 10m

smoke: $(HELM) ## helm test: a sample through the images on the cluster, then doctor on the store (needs helm or Go)
	@$(HELM) test eventlog --namespace $(NAMESPACE) --timeout 10m --logs
	@echo "the release answers"

compose-up: ## MinIO, monitoring and a sample run on this machine without Kubernetes (needs docker, docker-compose)
	@IMAGE_REGISTRY='$(IMAGE_REGISTRY)' IMAGE_TAG='$(IMAGE_TAG)' compose/stack.sh up

compose-run: ## every drop of that store that is new or changed
	@IMAGE_REGISTRY='$(IMAGE_REGISTRY)' IMAGE_TAG='$(IMAGE_TAG)' compose/stack.sh run

compose-down: ## stop it; the lake stays unless VOLUMES=--volumes
	@IMAGE_REGISTRY='$(IMAGE_REGISTRY)' IMAGE_TAG='$(IMAGE_TAG)' VOLUMES='$(VOLUMES)' compose/stack.sh down

$(TOOLS)/actionlint $(TOOLS)/syft $(TOOLS)/cosign $(TOOLS)/helm:
	@command -v go >/dev/null || { echo "go is not there: it builds $(notdir $@) (go.dev)"; exit 1; }
	@echo "building $(notdir $@)"
	@GOBIN=$(abspath $(TOOLS)) go install $($(notdir $@))

actionlint := github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
syft := github.com/anchore/syft/cmd/syft@v1.29.0
cosign := github.com/sigstore/cosign/v2/cmd/cosign@v2.5.3
helm := helm.sh/helm/v3/cmd/helm@v3.19.0

check: $(VENV)/.dev ## lint, format, types, imports, generated files: what CI holds
	@failed=; \
	say() { echo "$$1"; shift; "$$@" || failed="$$failed."; }; \
	docs() { $(PY) -m services.contracts.document | diff docs/data.md - || { echo "run 'make docs'"; false; }; }; \
	monitoring() { made=$$(mktemp -d) && $(PY) -m monitoring $$made && for file in $$(cd $$made && find . -type f); do \
		diff $$made/$$file $$file >/dev/null || { echo "$$file: run 'make docs'"; return 1; }; done; }; \
	say "ruff check: lint" $(PY) -m ruff check --quiet --output-format concise .; \
	say "ruff format: layout" $(PY) -m ruff format --check --quiet --output-format concise .; \
	say "mypy --strict: types" $(PY) -m mypy --no-error-summary; \
	say "lint-imports: who may know whom" $(VENV)/bin/lint-imports --no-logo; \
	say "docs/data.md: what the schemas say" docs; \
	say "docs/monitoring.md, helm/rules, grafana, dashboards: what monitoring/ says" monitoring; \
	if [ -n "$$failed" ]; then echo "$${#failed} of 6 checks failed"; exit 1; else echo "all checks passed"; fi

docs: $(VENV)/.dev ## docs/data.md from the schemas; what monitoring/ makes; the chart's schema from the settings
	@echo "writing docs/data.md, docs/monitoring.md, helm/rules, helm/grafana, helm/dashboards, helm/values.schema.json"
	@$(PY) -m services.contracts.document > docs/data.md
	@$(PY) -m monitoring .
	@$(PY) -m tests.chart.values_schema

lock: $(VENV)/.dev ## the lock files, from pyproject.toml
	@echo "resolving; pins stay unless UPGRADE=--upgrade is given"
	@$(PIP) install uv
	@$(UV_COMPILE) pyproject.toml -o requirements.lock
	@$(UV_COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	@$(UV_COMPILE) --group images -c requirements-dev.lock -o requirements-images.lock
	@$(UV_COMPILE) --group spark -o requirements-spark.lock
	@$(UV_COMPILE) bench/requirements.in -c requirements.lock -o bench/requirements.lock

images: ## container images of the three stages; IMAGE_REGISTRY, IMAGE_TAG and BASE_IMAGE choose others
	@for stage in ingest clean feature; do \
		echo "building $(IMAGE_REGISTRY)eventlog-$$stage:$(IMAGE_TAG)"; \
		docker build --quiet --network=host --file Dockerfile.$$stage --build-arg BASE_IMAGE=$(BASE_IMAGE) \
			--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
			--tag $(IMAGE_REGISTRY)eventlog-$$stage:$(IMAGE_TAG) . >/dev/null; \
	done
	@for image in $(IMAGES); do \
		echo "$$image is ready: $$(($$(docker image inspect --format '{{.Size}}' "$$image") / 1000000)) MB"; \
	done

lint-images: $(VENV)/.dev ## hadolint over the Dockerfiles
	@echo "hadolint: Dockerfiles"
	@$(VENV)/bin/hadolint Dockerfile.*

test-images: $(VENV)/.dev images ## each image as the workflow starts it, against a real MinIO; needs a container engine
	@echo "running the tests of the images"
	@IMAGE_REGISTRY=$(IMAGE_REGISTRY) IMAGE_TAG=$(IMAGE_TAG) $(PYTEST) -m images --require-integration tests/images

e2e: $(VENV)/.dev ## the chart on the cluster of KUBECONFIG; IMAGE_LOADER='kind load docker-image' brings the images there
	@echo "running the workflow on the cluster of $${KUBECONFIG:-~/.kube/config}, in a namespace of its own (some ten minutes)"
	@IMAGE_REGISTRY=$(IMAGE_REGISTRY) IMAGE_TAG=$(IMAGE_TAG) $(PYTEST) -n $(E2E_PARALLEL) -m e2e --durations=0 tests/e2e $(E2E)

bench: $(VENV)/.kernel $(BENCH_VENV)/.setup ## ours beside DuckDB, pandas, Polars and Spark (20 minutes): bench/results.md
	@$(BENCH_VENV)/bin/python -m bench.run $(BENCH_DROPS) $(BENCH)

bench-scale: $(VENV)/.kernel $(BENCH_VENV)/.setup ## time and memory from 1 to 40 million rows (half an hour): bench/scale.md
	@$(BENCH_VENV)/bin/python -m bench.scale $(BENCH)

bench-profile: $(VENV)/.kernel $(BENCH_VENV)/.setup ## where the seconds go: bench/profile.md
	@$(BENCH_VENV)/bin/python -m bench.profile $(BENCH)

clean: ## remove the environment, builds and caches; data and lakes stay
	@echo "removing $(VENV), $(BENCH_VENV), builds and caches; data and lakes stay"
	@rm -rf $(VENV) $(BENCH_VENV) build dist *.egg-info kernel/target .hypothesis
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find services tests bench -name __pycache__ -prune -exec rm -rf {} +

# The first Python of 3.11 or later; the oldest that pyproject.toml names.
$(VENV)/bin/python:
	@for python in python3 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$($$python --version)"; \
			$$python -m venv $(VENV) || { rm -rf $(VENV); \
				echo "$$python has no venv module (Debian: apt install python3-venv)"; exit 1; }; \
			exit 0; \
		fi; \
	done; \
	echo "Python 3.11 or later is needed: no python3 on the PATH is that new"; exit 1

$(VENV)/.setup: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing the locked packages"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.kernel
	@echo "installing the packages for tests and checks"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.spark: requirements-spark.lock $(VENV)/.dev
	@echo "installing Spark"
	@$(PIP) install --require-hashes -r requirements-spark.lock
	@touch $@

# An environment of its own: the peers are no part of the product. Its .gitignore keeps linters out too.
$(BENCH_VENV)/.setup: bench/requirements.lock requirements-spark.lock | $(VENV)/bin/python
	@echo "making $(BENCH_VENV) with the peers of the bench"
	@$(PY) -m venv --clear $(BENCH_VENV)
	@echo '*' > $(BENCH_VENV)/.gitignore
	@$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r bench/requirements.lock
	@if command -v java >/dev/null; then \
		$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-spark.lock; \
	else \
		echo "java is not there: the bench leaves Spark out"; \
	fi
	@touch $@

# Without a compiler, or where it fails, the Python kernel does the same work, slower.
$(VENV)/.kernel: $(KERNEL_SOURCES) $(VENV)/.setup
	@if ! command -v cargo >/dev/null; then \
		echo "cargo is not there: the Python kernel will be used"; \
	elif echo "building the native kernel (a minute)" && $(PIP) install --no-deps ./kernel >$(VENV)/kernel.log 2>&1; then \
		echo "the native kernel will be used"; \
	else \
		echo "the native kernel could not be built (see $(VENV)/kernel.log): the Python kernel will be used"; \
	fi
	@touch $@
