# Feature.
# `make images`, or `docker build -f Dockerfile.feature .`; what the three files have in common is built once and shared.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock /build/
# pandas is for notebooks and tests: 60 MB that nothing in here asks for.
RUN python3 -m venv --without-pip /opt/eventlog \
    && python3 -m pip --python /opt/eventlog/bin/python3 install --require-hashes -r /build/requirements.lock \
    && python3 -m pip --python /opt/eventlog/bin/python3 uninstall --yes pandas \
    && find /opt/eventlog -depth -type d -name tests -exec rm -r {} +

FROM ${BASE_IMAGE} AS tools
ENV PATH=/opt/tools/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements-images.lock /build/
RUN python3 -m venv /opt/tools && pip install --require-hashes -r /build/requirements-images.lock

FROM tools AS program
COPY pyproject.toml /build/
COPY services/__init__.py /build/services/
COPY services/contracts /build/services/contracts
COPY services/lake /build/services/lake
COPY services/judgement /build/services/judgement
COPY services/runtime /build/services/runtime
COPY services/control /build/services/control
COPY services/feature /build/services/feature
# With its metadata, where logs and manifests find the version; without the command `eventlog`, which knows all stages.
RUN pip install --no-deps --no-build-isolation --target /app /build \
    && rm -r /app/bin

FROM ${BASE_IMAGE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && install --directory --mode=1777 /scratch
COPY --from=packages /opt/eventlog /opt/eventlog
COPY --from=program /app /app
ENV PATH=/opt/eventlog/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EVENTLOG_SCRATCH=/scratch \
    TMPDIR=/scratch
WORKDIR /app
# A number, so that Kubernetes sees that it is not root; any other works as well.
USER 65532:65532
ENTRYPOINT ["tini", "-s", "--", "python3", "-m", "services.feature"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="eventlog-feature" \
    org.opencontainers.image.description="Summarises devices and extracts errors" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
