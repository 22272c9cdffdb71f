"""Grafana boards as code: `python -m grafana.build` writes them from the metric catalogue."""
