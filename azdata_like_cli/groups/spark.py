"""Spark of the cluster: ``spark start|stop|token|submit|jobs|logs|kill|shell``."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Iterator
from typing import cast

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Lines, Records, Value
from azdata_like_cli.command import BdcGroup, Settings, pass_settings
from azdata_like_cli.groups.monitor import followed
from azdata_like_cli.groups.session import when
from azdata_like_cli.sparkfiles import Upload, url
from bdc.contexts import Place
from bdc.controller import Controller
from bdc.errors import ServiceError, UserError

Json = dict[str, object]
SERVICE = "spark"
ENDED = ("done", "failed", "killed", "lost")
PERIOD = 0.3
FAILED_SECONDS = 20.0
STOP_SECONDS = 60.0
LOG_LINES = 15
JOB_COLUMNS = {
    "id": "Id", "state": "State", "file": "File", "user": "User", "submitted": "Submitted", "seconds": "Seconds", "exit_code": "Exit",
    "reason": "Reason",
}  # fmt: skip


@click.group("spark", cls=BdcGroup)
def spark() -> None:
    """Spark beside HDFS: a Spark Connect server that starts on first use, and jobs."""


@spark.command("start", examples=["bdc spark start", "bdc spark start -o tsv -q remote"])
@click.option("--timeout", type=click.FloatRange(1, 3600), default=180.0, show_default=True, help="Seconds to wait until it is ready.")
@pass_settings
def start(settings: Settings, timeout: float) -> Value:
    """Start your Spark Connect server and wait until it is ready; prints the address for clients, with the token.

    Admins only: whoever has the token runs Python on the cluster's machine. In HDFS the server is the cluster's first admin; where the
    spec allows several (spec.pools.storage.spark.servers) each admin has one of his own, in which he is himself.
    """
    session = settings.session()
    controller = session.controller
    address = until_ready(controller, controller.spark_start(), timeout)
    token = controller.spark_token()
    if session.context.kubernetes is not None:
        return _in_pods(session.context.kubernetes, address, token)
    remote = f"{address}/;token={token}"
    sentence = f'Spark is ready. SparkSession.builder.remote("{remote}").getOrCreate()'
    return Value(data={"endpoint": address, "token": token, "remote": remote}, sentence=sentence)


def _in_pods(place: Place, address: str, token: str) -> Value:
    """A port-forward would end with this command, so it says how to make one: PySpark wants TLS for all names but localhost."""
    parts = urllib.parse.urlsplit(address)
    service, port = str(parts.hostname).partition(".")[0], parts.port
    chosen = f"--context {place.context} " if place.context else ""
    forward = f"kubectl port-forward {chosen}--namespace {place.namespace} service/{service} {port}"
    remote = f"sc://localhost:{port}/;token={token}"
    sentence = f'Spark is ready in its pod. The way there: {forward}\nthen SparkSession.builder.remote("{remote}").getOrCreate()'
    return Value(data={"endpoint": address, "token": token, "forward": forward, "remote": remote}, sentence=sentence)


def until_ready(controller: Controller, server: Json, timeout: float) -> str:
    """Until the server (what ``spark_start`` gave) answers; its address. ServiceError with the last lines of its log when it fails, or
    takes too long."""
    name, deadline, failing, told = str(server["name"]), time.monotonic() + timeout, 0.0, False
    while True:
        found = _instance(controller, name)
        details = str(found["details"])
        if found["state"] == "ready":
            return str(controller.endpoint(str(server["endpoint"]))["endpoint"])
        if not told:
            output.message("Spark starts; this takes some 10 seconds")
            told = True
        failing = failing or time.monotonic() if found["state"] in ("error", "unready") else 0.0
        if time.monotonic() > deadline or (failing and time.monotonic() - failing > FAILED_SECONDS):
            lines = "\n".join(f"    {line}" for line in controller.log(name, LOG_LINES))
            raise ServiceError(
                "Spark did not become ready", where=name, why=f"{details}\nlast lines of its log:\n{lines}", hint=f"bdc logs {name}"
            )
        time.sleep(PERIOD)


def _instance(controller: Controller, name: str) -> Json:
    """One server in the status tree; one that is not in it yet is about to be."""
    resources = cast("list[dict[str, list[Json]]]", controller.status(SERVICE)["resources"])
    found = (one for resource in resources for one in resource["instances"] if one["name"] == name)
    return next(found, {"state": "starting", "details": "about to be started"})


@spark.command("stop", examples=["bdc spark stop"])
@pass_settings
def stop(settings: Settings) -> Value:
    """Stop your Spark Connect server: its clients' sessions end. Jobs go on."""
    controller = settings.session().controller
    name, deadline = str(controller.spark_stop()["name"]), time.monotonic() + STOP_SECONDS
    while (found := _instance(controller, name))["state"] != "stopped":
        if time.monotonic() > deadline:
            raise ServiceError("Spark Connect did not stop", where=name, why=str(found["details"]), hint=f"bdc logs {name}")
        time.sleep(PERIOD)
    return Value(data=found, sentence="Spark Connect is stopped; 'bdc spark start' starts it again.")


@spark.command("token", examples=["bdc spark token -o tsv -q token"])
@pass_settings
def token(settings: Settings) -> Value:
    """Print the token of your Spark Connect server (admins only)."""
    found = settings.session().controller.spark_token()
    return Value(data={"token": found}, sentence=found)


@spark.command(
    "submit",
    examples=[
        "bdc spark submit count.py hdfs:///house.csv",
        "bdc spark submit --wait --conf spark.sql.shuffle.partitions=16 count.py hdfs:///house.csv --verbose",
        "bdc spark submit --class org.example.Etl hdfs:///jars/etl.jar 2026-11-21",
    ],
    context_settings={"allow_interspersed_args": False},
)
@click.argument("file")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--class", "main_class", metavar="NAME", help="The class to run, for a jar.")
@click.option("--conf", "conf", multiple=True, metavar="NAME=VALUE", help="A setting of Spark; may be given several times.")
@click.option(
    "--py-files", multiple=True, metavar="FILE", help="A .py, .zip or .egg for the program to import; may be given several times."
)
@click.option("--jars", multiple=True, metavar="FILE", help="A jar; may be given several times.")
@click.option("--wait", is_flag=True, help="Show what it writes until it ends, and fail if it does.")
@pass_settings
def submit(  # noqa: PLR0913 - one parameter per option of the command
    settings: Settings,
    file: str,
    arguments: tuple[str, ...],
    main_class: str | None,
    conf: tuple[str, ...],
    py_files: tuple[str, ...],
    jars: tuple[str, ...],
    wait: bool,
) -> Value | Lines:
    """Run the program FILE once on the cluster, with ARGUMENTS, in a Spark of its own.

    FILE is a Python program or a jar: a path of this machine, which is copied into HDFS first, or a URL that Spark can read (hdfs:///…).
    In HDFS the job is whoever submits it. Arguments can be seen by other users of the machine: no secrets. Options come before FILE; what
    comes after it is the program's. The job goes on whatever happens to this command or the controller.
    """
    session = settings.session()
    upload = Upload(session.files, session.context.username)
    job: Json = {
        "file": url(file, upload),
        "arguments": list(arguments),
        "main_class": main_class,
        "conf": dict(_setting(text) for text in conf),
        "py_files": [url(one, upload) for one in py_files],
        "jars": [url(one, upload) for one in jars],
    }
    controller = session.controller
    upload.sweep(controller.spark_jobs())
    found = controller.spark_submit(job)
    number = int(str(found["id"]))
    if wait:
        return Lines(lines=_until_end(controller, number), endless=True)
    return Value(data=_shown(found), sentence=f"Job {number} is submitted. Next: bdc spark logs {number} -f")


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--conf {text!r} is not NAME=VALUE")
    return name, value


@spark.command("jobs", examples=["bdc spark jobs", "bdc spark jobs -o json -q '[?state==`failed`].id'"])
@pass_settings
def jobs(settings: Settings) -> Records:
    """List the jobs that wait or run, and the last ones that ended, the newest first."""
    return Records(rows=[_shown(job) for job in settings.session().controller.spark_jobs()], columns=JOB_COLUMNS)


@spark.command("logs", examples=["bdc spark logs 3", "bdc spark logs 3 -f"])
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.option("--lines", "-n", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many of the last lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job ends, and fail if it does.")
@pass_settings
def logs(settings: Settings, number: int, lines: int, follow: bool) -> Lines:
    """Show what the job ID wrote: its own output, and warnings of Spark."""
    controller = settings.session().controller
    if follow:
        return Lines(lines=_until_end(controller, number), endless=True)
    return Lines(lines=controller.spark_log(number, lines))


@spark.command("kill", examples=["bdc spark kill 3"])
@click.argument("number", type=click.IntRange(1), metavar="ID")
@pass_settings
def kill(settings: Settings, number: int) -> Value:
    """End the job ID with all its processes, or take it out of the queue."""
    found = settings.session().controller.spark_kill(number)
    return Value(data=_shown(found), sentence=f"Job {number}: {found['state']} ({found['reason']}).")


@spark.command("shell", examples=["bdc spark shell"])
@click.option("--python", default=None, metavar="PATH", help="A Python that has PySpark (default: the one that runs this command).")
@pass_settings
def shell(settings: Settings, python: str | None) -> None:
    """Start your Spark Connect server if it rests, and a Python with `spark`, a PySpark session on it."""
    from azdata_like_cli.sparkshell import client_python, run_shell

    found = client_python(python)  # before anything is started
    session = settings.session()
    controller = session.controller
    address = until_ready(controller, controller.spark_start(), 180.0)
    run_shell(session.reachable(address), controller.spark_token(), found)


def _until_end(controller: Controller, number: int) -> Iterator[str]:
    """What a job writes, until it ends; ServiceError when it does not end well."""
    yield from followed(lambda lines: controller.spark_log(number, lines), lambda: controller.spark_job(number)["state"] in ENDED)
    job = controller.spark_job(number)
    if job["state"] != "done":
        raise ServiceError(f"job {number} {job['state']}", why=str(job["reason"]), hint=f"bdc spark logs {number}", code="job_failed")


def _shown(job: Json) -> Json:
    started, ended = _number(job.get("started_at")), _number(job.get("ended_at"))
    seconds = None if started is None else round((time.time() if ended is None else ended) - started, 1)
    submitted = _number(job.get("submitted_at"))
    return {**job, "seconds": seconds, "submitted": when(submitted) if submitted is not None else None}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
