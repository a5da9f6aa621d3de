"""What watches the pipeline: alerts and the dashboard, written down once; `python -m monitoring` makes their files.

The metrics that they read are named and explained in services/runtime/gauges.py.
"""
