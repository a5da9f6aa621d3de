"""The data contract, as code without effects: what lies in a lake, what a column means, what can go wrong."""

CONTRACT_VERSION = 1
"""Raised whenever the bytes of an output may change for the same input; golden files in the tests hold it."""
