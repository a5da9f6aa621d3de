"""Published reports after a device was erased: those that name it are made anew, without it."""

from services.contracts import layout
from services.control.report.devices import device_hash
from services.control.report.gather import gather
from services.control.report.publish import publish, publish_due
from services.lake.store import Store
from services.runtime.settings import Settings


def mend_reports(settings: Settings, lake: Store, service_tag: str) -> None:
    """Publish again what tells of files that are gone, or names the device; a lake without reports stays so."""
    if not lake.objects(layout.REPORTS):
        return
    publish_due(settings, lake)
    for week in dict.fromkeys(filter(None, map(layout.week_of_report, reports_naming(lake, service_tag)))):
        publish(lake, gather(settings.model_copy(update={"week": week}), lake))


def reports_naming(lake: Store, service_tag: str) -> list[str]:
    """Keys of the published reports that name the device, as reports do: by its hash."""
    name = device_hash(service_tag).encode()
    keys = [o.key for o in lake.objects(layout.REPORTS) if layout.week_of_report(o.key)]
    return [key for key in keys if (found := lake.get(key)) and name in found[0]]
