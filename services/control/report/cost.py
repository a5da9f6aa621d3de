"""Seconds, bytes and requests → money. Every price stands in `prices.toml`, with where it is from."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from services.control.report.facts import Cost, Estimate, StageFacts

_HOUR = 3600
_GIB = 1024**3


class Place(NamedTuple):
    """What a run is paid for at one place, in the currency of the price list."""

    name: str
    basis: str
    vcpu_hour: float
    gib_hour: float
    put_per_thousand: float
    get_per_thousand: float
    storage_gb_month: float


class Prices(NamedTuple):
    """The price list."""

    currency: str
    places: tuple[Place, ...]


def cost(stages: tuple[StageFacts, ...]) -> Cost:
    """What the stages used, priced at every place."""
    listed = prices()
    memory = sum(s.peak_memory_bytes / _GIB * s.seconds / _HOUR for s in stages)
    return Cost(
        currency=listed.currency,
        cpu_seconds=round(sum(s.cpu_seconds for s in stages), 3),
        memory_gib_hours=round(memory, 9),
        bytes_read=sum(s.bytes_read for s in stages),
        bytes_written=sum(s.bytes_written for s in stages),
        estimates=tuple(_estimate(place, stages, memory) for place in listed.places),
    )


@lru_cache(maxsize=1)
def prices() -> Prices:
    """The price list of this program."""
    listed = tomllib.loads(files(__package__).joinpath("prices.toml").read_text())
    return Prices(listed["currency"], tuple(Place(**place) for place in listed["place"]))


def _estimate(place: Place, stages: tuple[StageFacts, ...], memory: float) -> Estimate:
    cpu = sum(s.cpu_seconds for s in stages) / _HOUR * place.vcpu_hour
    puts = sum(s.objects_written for s in stages) / 1000 * place.put_per_thousand
    gets = sum(s.objects_read for s in stages) / 1000 * place.get_per_thousand
    held = memory * place.gib_hour
    stored = sum(s.bytes_written for s in stages) / 1e9 * place.storage_gb_month
    return Estimate(
        place.name,
        place.basis,
        cpu=round(cpu, 9),
        memory=round(held, 9),
        requests=round(puts + gets, 9),
        total=round(cpu + held + puts + gets, 9),
        storage_month=round(stored, 9),
    )
