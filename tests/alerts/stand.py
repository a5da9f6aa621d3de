"""The whole way of an alert, on this machine: gateway, Prometheus with the real rules, Alertmanager, and who is called."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import yaml

from monitoring.prometheus import rule_file
from tests.alerts.servers import alertmanager, free_port, prometheus, pushgateway


class Call(NamedTuple):
    """One alert as a person gets it."""

    at: float
    """Unix time."""
    alert: str
    status: str
    """firing or resolved."""
    job: str
    week: str
    summary: str


class Stand:
    """Addresses, and every call that was made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gateway_port = free_port()
        self._gateway = ExitStack()
        self.gateway = f"127.0.0.1:{self._gateway_port}"
        self.calls: list[Call] = []
        self.name = uuid.uuid4().hex[:6]
        """In the jobs of its trials: others may be at work on this machine."""

    def start_gateway(self) -> None:
        self._gateway.enter_context(pushgateway(self._folder / "gateway", self._gateway_port))

    def stop_gateway(self) -> None:
        self._gateway.close()

    def await_call(self, wanted: Callable[[Call], bool], seconds: float) -> Call:
        """The first such call; an AssertionError with all others where none comes in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = next((call for call in list(self.calls) if wanted(call)), None)
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"no such call within {seconds:.0f} s; there were {self.calls}")


@contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    """All of it, running; short intervals, so that a trial takes a minute."""
    made = Stand(folder)
    with ExitStack() as stack:
        hook = stack.enter_context(_receiver(made.calls))
        manager = free_port()
        route = {
            "receiver": "hook",
            "group_by": ["job", "week"],
            "group_wait": "1s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        }
        receivers = [{"name": "hook", "webhook_configs": [{"url": f"http://127.0.0.1:{hook}", "send_resolved": True}]}]
        stack.enter_context(alertmanager(folder / "manager", {"route": route, "receivers": receivers}, manager))
        made.start_gateway()
        stack.callback(made.stop_gateway)
        rules = folder / "rules.yaml"
        rules.write_text(yaml.safe_dump(rule_file(), sort_keys=False))
        config = {
            "global": {"scrape_interval": "5s", "evaluation_interval": "2s"},
            "rule_files": [str(rules)],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]},
            "scrape_configs": [
                {
                    "job_name": "pushgateway",
                    "honor_labels": True,
                    "static_configs": [{"targets": [made.gateway]}],
                }
            ],
        }
        stack.enter_context(prometheus(folder / "prometheus", config, free_port()))
        yield made


@contextmanager
def _receiver(calls: list[Call]) -> Iterator[int]:
    """The port of a webhook that writes down what it is told, each change once."""
    known: dict[tuple[str, str], str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for alert in body["alerts"]:
                # Alertmanager tells the whole group again when one of its alerts changes.
                if known.get((alert["fingerprint"], alert["startsAt"])) != alert["status"]:
                    known[alert["fingerprint"], alert["startsAt"]] = alert["status"]
                    labels = alert["labels"]
                    calls.append(
                        Call(
                            time.time(),
                            labels["alertname"],
                            alert["status"],
                            labels.get("job", ""),
                            labels.get("week", ""),
                            alert["annotations"]["summary"],
                        )
                    )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
