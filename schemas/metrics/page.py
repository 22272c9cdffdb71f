"""docs/metrics.md: the catalogue for people, generated."""

from collections.abc import Iterator

from schemas.metrics.catalogue import ALIASES, CATALOGUE, QUANTILES
from schemas.metrics.formula import Interval, Metric, Source
from schemas.rollup import DIMENSIONS

_INTERVALS = {
    Interval.SHARE: "Wilson",
    Interval.MEAN: "mean ± 1.96 s/√n",
    Interval.NPS: "mean ± 1.96 s/√n",
    Interval.NONE: "",
}

_HEAD = """\
# Metrics

<!-- Generated from schemas/metrics by `python -m schemas.documents`. Change the catalogue, not this page. -->

Each metric has one name and one formula, in the engine, `contactpulse replay`, the API, the boards and here. This page
is made from the catalogue that all of them read; `GET /v1/metrics` answers it as data.

- Numerators and denominators are summed over time and groups before dividing. Without denominator there is no value:
  null, never 0.
- A fact belongs to the minute of its own time: a connection to its connect time, an abandonment to its, a survey to
  its. What is known late changes that minute.
- `limit` is the policy's `answer_within` (default 20 s); the others are `short_abandon` (5 s), `csat_pass` (4) and
  `repeat_window` (7 d).
- *Wait* is the connection (or abandonment) minus `contact.queued` (`contact.opened` where there is none).
- Every answer carries `n`, numerator and denominator, and a 95 % interval where one makes sense: Wilson's for shares,
  the normal one for means. Of a duration's mean it is as exact as the histogram (1 %).
- Quantiles come from histograms with logarithmic buckets, which merge without loss over time, groups and partitions;
  they are within 1 % of the exact ones (nearest rank).
- Metrics marked *provisional* may still change while the repeat window of a range is open: another contact can come.
- Dimensions: {dimensions}. Those marked *also by clock* take `clock` too.

| unit | |
|---|---|
| count | a number of things |
| ratio | a share; the boards show per cent |
| s | seconds |
| score, points | the answers' own scale; 0-100 (CSI), -100 to 100 (NPS) |

In symbols, names are the measures of the one-minute slices:
[contact-slice.schema.json](contract/contact-slice.schema.json).
"""


def metrics_page() -> str:
    """The whole page."""
    return "\n".join([_HEAD.format(dimensions=", ".join(f"`{name}`" for name in DIMENSIONS)), *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    yield "## All of them\n"
    yield "| id | English | 中文 | unit | better | goal |"
    yield "|---|---|---|---|---|---|"
    shown = [metric for metric in CATALOGUE.values() if metric.id.rpartition(".")[2] not in QUANTILES]
    for metric in shown:
        better = {"up": "higher", "down": "lower"}.get(metric.direction, "")
        link = f"[`{metric.id}`](#{_anchor(metric)})"
        yield f"| {' | '.join((link, metric.en, metric.zh, metric.unit, better, _goal(metric)))} |"
    quantiles = ", ".join(f"`.{name}`" for name in QUANTILES)
    yield f"\nBeside each `.mean` there are {quantiles}. The name alone stands for the mean: " + ", ".join(
        f"`{alias}`" for alias in ALIASES
    )
    for metric in shown:
        yield from _section(metric)


def _section(metric: Metric) -> Iterator[str]:
    yield f"\n### {metric.id}\n"
    yield f"{metric.en} · {metric.zh}. {metric.formula[:1].upper()}{metric.formula[1:]}.\n"
    if metric.symbols != metric.formula:
        yield f"- In symbols: `{metric.symbols}`"
    facts = [f"unit {metric.unit}"]
    if metric.goal is not None:
        facts.append(f"goal {_goal(metric)}")
    if metric.baseline is not None:
        facts.append(f"baseline {_number(metric, metric.baseline)}")
    if metric.interval is not Interval.NONE:
        facts.append(f"interval {_INTERVALS[metric.interval]}")
    facts.append("from the cases open at the instant" if metric.source is Source.OPEN else "from one-minute slices")
    facts += ["provisional"] * metric.provisional + ["also by clock"] * metric.by_clock
    yield f"- {'; '.join(facts)}"
    if metric.caveat:
        yield f"- {metric.caveat}"


def _anchor(metric: Metric) -> str:
    return metric.id.replace(".", "")


def _goal(metric: Metric) -> str:
    if metric.goal is None:
        return ""
    return f"{'≤' if metric.direction == 'down' else '≥'} {_number(metric, metric.goal)}"


def _number(metric: Metric, value: float) -> str:
    return f"{value:.0%}" if metric.unit == "ratio" else f"{value:g}{' s' if metric.unit == 's' else ''}"
