#!/usr/bin/env bash
# The one-machine stack: up, run, status, down. `make compose-up` and the like call it.
set -euo pipefail
cd "$(dirname "$0")/.."

if docker compose version >/dev/null 2>&1; then COMPOSE=(docker compose); else COMPOSE=(docker-compose); fi
command -v "${COMPOSE[0]}" >/dev/null || {
  echo "docker-compose is not on the PATH: install Compose (v2, or 1.29 as Debian has it)"
  exit 1
}
COMPOSE+=(--env-file compose/.env --project-name eventlog --project-directory . -f compose.yaml)

product() { "${COMPOSE[@]}" run --rm "$@"; } # a one-shot service, with its options

up() {
  if ! [ -f compose/.env ]; then
    echo "making compose/.env with a password of MinIO's own"
    (umask 077 && echo "MINIO_PASSWORD=$(head -c 24 /dev/urandom | base64 | tr -d '+/=')" >compose/.env)
  fi
  for stage in ingest clean feature; do
    docker image inspect "${IMAGE_REGISTRY:-}eventlog-$stage:${IMAGE_TAG:-0.1.0}" >/dev/null 2>&1 || {
      make images
      break
    }
  done
  echo "starting MinIO, Pushgateway, Prometheus and Alertmanager"
  "${COMPOSE[@]}" up -d minio pushgateway prometheus alertmanager
  for try in $(seq 30); do
    product bucket >/dev/null 2>&1 && break
    [ "$try" -lt 30 ] || product bucket # its own words, and the exit code
    sleep 1
  done
}

weeks() { # the weeks that need work, oldest first
  product -T plan --json | sed -n '/"run": \[/,/\]/s/ *"\([0-9-]\{10\}\)".*/\1/p'
}

run() {
  local due failed=0
  due=$(weeks)
  [ -n "$due" ] || echo "no drop is new or changed"
  for week in $due; do
    echo "week $week"
    for stage in ingest clean; do
      product -T -e "EVENTLOG_WEEK=$week" --no-deps "$stage" || { failed=$?; break; }
    done
  done
  product -T --no-deps feature || failed=$?
  product -T --no-deps report || failed=$?
  return "$failed"
}

case "${1:-}" in
  up)
    up
    if [ -z "$(product -T plan --json 2>/dev/null | grep -o '"week": "[0-9-]*"' || true)" ]; then
      echo "making a sample drop of ${ROWS:-100000} rows"
      product -T sample --rows "${ROWS:-100000}" --weeks 2024-05-10 >/dev/null
    fi
    run
    product -T status
    ;;
  run) run ;;
  down)
    # --profile run: also what a one-shot service left behind
    "${COMPOSE[@]}" --profile run --profile grafana down --remove-orphans ${VOLUMES:-}
    ;;
  *)
    echo "usage: compose/stack.sh up | run | down"
    exit 2
    ;;
esac
