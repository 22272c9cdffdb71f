"""The metric catalogue: each metric once, by formula. Engine, API, boards, reports and docs read it from here."""

from schemas.metrics.catalogue import ALIASES, CATALOGUE, find_metric
from schemas.metrics.formula import Metric, MetricValue, Source, Sums
from schemas.metrics.measures import Duration, Measure

__all__ = ["ALIASES", "CATALOGUE", "Duration", "Measure", "Metric", "MetricValue", "Source", "Sums", "find_metric"]
