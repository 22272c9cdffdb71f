"""`contactpulse rebuild`."""

import json
from pathlib import Path

from schemas.errors import InputError
from schemas.settings import Settings
from schemas.times import text
from services.progress import judging
from services.rebuild.run import Report, rebuild
from services.what_if.question import clickhouse_of, instant


def run(settings: Settings, data_dir: Path, from_: str, to: str, dry_run: bool) -> None:
    """Rebuilds and says what was done. Raises `InputError` for what was said wrongly, `WorkFailed` where a server is
    away."""
    settings = _kafka_of(clickhouse_of(settings, data_dir), data_dir)
    begin, end = instant("--from", from_), instant("--to", to)
    with judging("{task.completed:,.0f} of {task.total:,.0f} cases") as progress:
        report = rebuild(settings, begin, end, dry_run, progress)
    print(_said(report, begin, end, dry_run))


def _said(report: Report, begin: int, end: int, dry_run: bool) -> str:
    wrong = report.contact + report.clock
    what = f"{report.contact:,} contact slices and {report.clock:,} clock slices"
    lines = [
        f"{text(begin)} to {text(end)}: {report.cases:,} cases, {report.events:,} events; "
        + (f"{what} {'differ' if dry_run else 'corrected'}" if wrong else "the slices hold what the events say")
    ]
    if report.busy:
        lines.append(f"{report.busy:,} slices of customers were changing meanwhile and were left out: run it again")
    if report.rejected:
        lines.append(f"{report.rejected:,} stored events could not be read and were left out")
    return "\n".join(lines)


def _kafka_of(settings: Settings, data_dir: Path) -> Settings:
    """The settings with the Kafka of the environment, else the embedded one of `up` in `data_dir`."""
    if "kafka" in settings.model_fields_set:
        return settings
    try:
        port = json.loads((data_dir / "kafka" / "ports.json").read_text(encoding="utf-8"))["broker"]
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"no Kafka: set CONTACTPULSE_KAFKA, or give the --data-dir of `up`; {data_dir} is none"
        ) from None
    return settings.model_copy(update={"kafka": f"127.0.0.1:{port}"})
