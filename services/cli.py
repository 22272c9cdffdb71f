"""The command line, and the only place where processes are put together: one command a process.

Parts are imported inside their commands: `contactpulse replay` needs no web server, `contactpulse clickhouse` no Kafka.
"""

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from schemas.errors import ContactPulseError, InputError
from schemas.settings import Settings

app = typer.Typer(
    name="contactpulse",
    help="Watches customer-service quality live: rolling SLA compliance, exact to the millisecond.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
convert_app = typer.Typer(help="Turns logs of other systems into events.", no_args_is_help=True)
app.add_typer(convert_app, name="convert")

Host = Annotated[str, typer.Option(help="Address to listen on. Nothing listens beyond loopback unless asked.")]
Policy = Annotated[Path | None, typer.Option(help="Policy file; without it, the one that ships.")]
MetricsPort = Annotated[int | None, typer.Option(help="Serve Prometheus metrics on this port.")]
MetricsHost = Annotated[str, typer.Option(help="Address of the metrics port.")]


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of board, API and door.")] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("contactpulse-data"),
    demo: Annotated[
        bool | None, typer.Option(help="Live sample traffic. Default: yes, unless --kafka names a cluster.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Stream workers.")] = 1,
    kafka: Annotated[str, typer.Option(help="embedded, or HOST:PORT,...")] = "embedded",
    clickhouse: Annotated[str, typer.Option(help="embedded, or a URL.")] = "embedded",
    policy: Policy = None,
) -> None:
    """Run the whole product on this machine."""
    from services.local.up import EMBEDDED, UpOptions
    from services.local.up import up as run

    wanted = kafka == EMBEDDED if demo is None else demo
    raise typer.Exit(run(UpOptions(host, port, data_dir, wanted, workers, kafka, clickhouse, policy)))


@app.command()
def replay(
    events: Annotated[
        list[str], typer.Argument(help="NDJSON files; - for standard input.", metavar="EVENTS.ndjson...")
    ],
    policy: Annotated[Path, typer.Option(help="Policy file.")],
    out: Annotated[Path, typer.Option(help="Directory for outcomes.ndjson, rollups.ndjson, summary.json.")],
    until: Annotated[str | None, typer.Option(help="Final stream time (RFC 3339). Default: the last event.")] = None,
) -> None:
    """Run the engine over event files: the same events in any order give the same bytes."""
    from schemas import times
    from schemas.policy import load_policy
    from services.progress import reading
    from streams.replay import SHOWN_REJECTIONS
    from streams.replay import replay as run

    try:
        final = None if until is None else times.parse(until)
    except ValueError as error:
        raise InputError(f"--until: {error}") from None
    with reading() as progress:
        result = run([Path(name) for name in events], load_policy(policy), out, final, progress)
    for rejected in result.rejected[:SHOWN_REJECTIONS]:
        print(f"contactpulse: {rejected}", file=sys.stderr)
    if len(result.rejected) > SHOWN_REJECTIONS:
        more = len(result.rejected) - SHOWN_REJECTIONS
        print(f"contactpulse: ... and {more:,} more; all in {out / 'rejected.ndjson'}", file=sys.stderr)
    raise typer.Exit(InputError.exit_code if result.rejected else 0)


@app.command()
def send(
    file: Annotated[str, typer.Argument(help="NDJSON file, plain or gzipped; - for standard input.")],
    speed: Annotated[float, typer.Option(help="Times the file's own pace; 0: as fast as the product takes it.")] = 0.0,
    rebase: Annotated[bool, typer.Option(help="Shift the times so that an old log plays as of now.")] = False,
    url: Annotated[str, typer.Option(help="A running product.", envvar="CONTACTPULSE_URL")] = "http://127.0.0.1:8080",
    key: Annotated[str | None, typer.Option(help="API key.", envvar="CONTACTPULSE_API_KEY")] = None,
    data_dir: Annotated[Path, typer.Option(help="Without --key, the key that `up` keeps here is used.")] = Path(
        "contactpulse-data"
    ),
) -> None:
    """Push an event file to a running product."""
    from services.send.play import play

    sent = play(Path(file), url, key or _kept_key(data_dir), speed, rebase)
    raise typer.Exit(sent.exit_code)


@convert_app.command("anonymous-bank")
def convert_anonymous_bank(
    file: Annotated[Path, typer.Argument(help="The call log (TSV, plain or gzipped); - for standard input.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Event file. Default: standard output.")] = None,
) -> None:
    """Make events of the Anonymous Bank call log (Technion, 1999)."""
    from services.convert.anonymous_bank import Counts, convert
    from services.convert.output import write_events
    from services.convert.source import read_lines

    counts = Counts()
    write_events(convert(read_lines(file), counts, str(file)), out)
    print(f"contactpulse: {counts}", file=sys.stderr)


@convert_app.command("servicenow-incidents")
def convert_servicenow_incidents(
    file: Annotated[Path, typer.Argument(help="The incident log (CSV, plain or gzipped); - for standard input.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Event file. Default: standard output.")] = None,
) -> None:
    """Make events of a ServiceNow incident log (UCI, 2016)."""
    from services.convert.output import write_events
    from services.convert.servicenow_incidents import Counts, convert
    from services.convert.source import read_lines

    counts = Counts()
    write_events(convert(read_lines(file), counts, str(file)), out)
    print(f"contactpulse: {counts}", file=sys.stderr)


@app.command("check-policy")
def check_policy(
    policy: Annotated[Path, typer.Argument(help="Policy file.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what is wrong or looks unmeant.")] = False,
) -> None:
    """Read a policy file: all that is wrong with it, what it promises, and what looks unmeant."""
    from schemas.policy_check import check_policy as check

    report = check(policy)
    for error in report.errors:
        print(error, file=sys.stderr)
    if report.errors:
        raise typer.Exit(InputError.exit_code)
    if not quiet:
        print(report.words, end="\n\n" if report.findings else "\n")
    for finding in report.findings:
        print(finding)


@app.command("what-if")
def what_if(
    policy: Annotated[Path, typer.Option(help="The policy file to try.")],
    from_: Annotated[str, typer.Option("--from", help="Cases opened from here on (RFC 3339).")],
    to: Annotated[str, typer.Option(help="Cases opened before this.")],
    base: Annotated[str, typer.Option(help="What to compare with: a policy file, or current.")] = "current",
    until: Annotated[
        str | None, typer.Option(help="Judge as of this stream time. Default: the newest that the product has told.")
    ] = None,
    by: Annotated[str, typer.Option(help="Group by these, comma separated: policy, channel, team, ...")] = "",
    flips: Annotated[
        Path | None, typer.Option(help="Write every clock judged differently here: .csv, else NDJSON.")
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(help="Of the product; its ClickHouse is used unless CONTACTPULSE_CLICKHOUSE names one.")
    ] = Path("contactpulse-data"),
) -> None:
    """Judge the stored events by another policy: compliance before and after, and which cases flip."""
    from services.what_if.main import run

    run(_settings(), data_dir, policy, from_, to, base, until, by, flips)


@app.command()
def rebuild(
    from_: Annotated[str, typer.Option("--from", help="First minute (RFC 3339).")],
    to: Annotated[str, typer.Option(help="The minute after the last.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what differs.")] = False,
    data_dir: Annotated[
        Path,
        typer.Option(help="Of the product; its Kafka and ClickHouse are used unless the environment names others."),
    ] = Path("contactpulse-data"),
) -> None:
    """Make the slices of a range anew from the stored events, while the product runs: what differs is corrected."""
    from services.rebuild.main import run

    run(_settings(), data_dir, from_, to, dry_run)


@app.command()
def worker(metrics_port: MetricsPort = None, metrics_host: MetricsHost = "127.0.0.1") -> None:
    """Run a stream worker."""
    from services import logs
    from services.provision import ensure_topics
    from streams.worker import run

    settings = _settings()
    logs.configure(settings, os.environ.get("CONTACTPULSE_WORKER_ID", "worker"))
    ensure_topics(settings)
    run(settings, metrics_port=metrics_port, metrics_host=metrics_host)


@app.command()
def store(metrics_port: MetricsPort = None, metrics_host: MetricsHost = "127.0.0.1") -> None:
    """Run the sink from Kafka to ClickHouse; migrates ClickHouse first."""
    from services.store.main import run

    run(_settings(), metrics_port=metrics_port, metrics_host=metrics_host)


@app.command()
def ingest(host: Host = "127.0.0.1", port: Annotated[int, typer.Option(help="Port.")] = 8081) -> None:
    """Run the door for events."""
    from services import logs
    from services.ingest.app import create_app
    from services.web.server import serve

    settings = _settings()
    logs.configure(settings, "ingest")
    serve(create_app(settings), host, port)


@app.command()
def api(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8080,
    with_ingest: Annotated[bool, typer.Option(help="Take events here too.")] = False,
) -> None:
    """Run the API and the live board."""
    from services import logs
    from services.api.app import create_app
    from services.ingest import app as door
    from services.web.server import is_loopback, serve

    settings = _settings()
    logs.configure(settings, "api")
    if not with_ingest:
        serve(create_app(settings, loopback=is_loopback(host)), host, port)
        return
    application = create_app(
        settings,
        loopback=is_loopback(host),
        extra_routers=[door.router(settings)],
        extra_lifespans=[lambda running: door.lifespan(running, settings)],
        extra_checks=[lambda: door.readiness(application)],
    )
    serve(application, host, port)


@app.command()
def clickhouse(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the HTTP interface.")] = 8123,
    path: Annotated[Path, typer.Option(help="Where the data is kept.")] = Path("contactpulse-data/clickhouse"),
    password: Annotated[
        str, typer.Option(help="Of user default.", envvar="CONTACTPULSE_CLICKHOUSE_PASSWORD", show_default=False)
    ] = "",
    grafana_password: Annotated[
        str, typer.Option(help="Of the read-only user grafana.", envvar="CONTACTPULSE_GRAFANA_PASSWORD")
    ] = "",
) -> None:
    """Run the embedded ClickHouse: the engine behind ClickHouse's HTTP interface, for one machine."""
    from services import logs
    from services.clickhouse.server import serve

    logs.configure(_settings(), "clickhouse")
    serve(path, host, port, password, grafana_password)


@app.command()
def demo(
    url: Annotated[str, typer.Option(envvar="CONTACTPULSE_URL")] = "http://127.0.0.1:8080",
    key: Annotated[str | None, typer.Option(envvar="CONTACTPULSE_API_KEY")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same operation.")] = 1,
    rate: Annotated[float, typer.Option(help="Events a second, averaged over a day.")] = 30.0,
    history: Annotated[float, typer.Option(help="Hours before now that the first start sends.")] = 0.4,
) -> None:
    """Send live sample traffic that looks like a real operation."""
    from services import logs
    from services.demo.main import run

    settings = _settings()
    logs.configure(settings, "demo")
    run(settings, url, key or _kept_key(settings.data_dir), seed, rate, history)


def _settings() -> Settings:
    """Settings of the environment. Raises `InputError` naming the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise InputError(f"CONTACTPULSE_{name}: {first['msg']}") from None


def _kept_key(data_dir: Path) -> str:
    try:
        return (data_dir / "api-key").read_text(encoding="utf-8").strip()
    except OSError:
        raise InputError(
            f"no API key: give --key, set CONTACTPULSE_API_KEY, or run where {data_dir}/api-key is"
        ) from None


def main() -> None:
    """Entry point. Errors of our own, and of usage, become one line on standard error and their exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file may name what the terminal's encoding cannot say
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except ContactPulseError as error:
        code = _said(str(error), error.exit_code)
    except typer.TyperException as error:
        code = _said(_usage(error), error.exit_code)
    except typer.Abort:
        code = _said("given up", 1)
    except BrokenPipeError:  # whoever read this has read enough; at exit Python would try once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _said(line: str, code: int) -> int:
    print(f"contactpulse: {line}", file=sys.stderr)
    return code


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command line, and where to read how it is meant."""
    context = getattr(error, "ctx", None)
    said = " ".join(error.format_message().split()).removesuffix(".") or "No command"  # its help has been shown then
    command = "contactpulse" if context is None else context.command_path
    return f"{said}{'' if said.endswith('?') else ';'} see {command} --help"


if __name__ == "__main__":
    main()
