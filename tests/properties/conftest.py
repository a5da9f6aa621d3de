"""Hundreds of lakes that live for a moment."""

import pytest


@pytest.fixture(autouse=True)
def _never_waiting(no_waiting_for_the_disk: None) -> None:
    """For every test here."""
