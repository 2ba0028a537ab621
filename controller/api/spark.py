"""Routes of Spark. Whoever uses them has Python run as the storage pool's OS user, so all but the state is for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request

from controller.api import bodies
from controller.api.access import caller_of, guarded_router
from controller.api.cluster import MAX_LINES
from controller.api.services import services_of
from controller.errors import RequestError, UnknownNameError
from controller.jobs import Job, NewJob
from controller.spark import Spark
from controller.spec.rules import SETTING
from pools.storage.spark import Server, reserved

router = guarded_router("spark", "/api/v1/bdc/services/spark")


@router.post("/start", summary="Start the caller's Spark Connect server")
def start(request: Request) -> bodies.SparkServer:
    """Asks for it and answers at once; it is ready when the service's status says so. 503 with the line to run where Spark is missing."""
    return _shown(_spark(request).start(caller_of(request).name))


@router.post("/stop", summary="Stop the caller's Spark Connect server")
def stop(request: Request) -> bodies.SparkServer:
    """Sessions of its clients end. Jobs go on: they have a Spark of their own."""
    return _shown(_spark(request).stop(caller_of(request).name))


@router.get("/token", summary="The token of the caller's Spark Connect server")
def token(request: Request) -> bodies.SparkToken:
    """What clients present: ``sc://localhost:PORT/;token=…``. Whoever has it is one of Spark's users."""
    return bodies.SparkToken(token=_spark(request).token(caller_of(request).name))


@router.get("/jobs", summary="Spark jobs")
def jobs(request: Request) -> list[Job]:
    """All that wait or run and the last ones that ended, the newest first."""
    return _spark(request).list_jobs()


@router.post("/jobs", status_code=201, summary="Submit a Spark job")
def submit(request: Request, body: bodies.NewSparkJob) -> Job:
    """Runs ``file`` (a URL that Spark can read) once, in a Spark of its own, as soon as there is room. In HDFS the job is its submitter."""
    for name, value in body.conf.items():
        if reserved(name) or not name.startswith("spark.") or not SETTING.fullmatch(name) or not value.isprintable():
            raise RequestError(f"the setting {name[:100]!r} can't be given to a job", where="conf", hint="memory and cores are the spec's")
    if any("\0" in argument for argument in body.arguments):
        raise RequestError("an argument holds a NUL character", where="arguments")
    wanted = NewJob(body.file, tuple(body.arguments), body.main_class, dict(body.conf), tuple(body.py_files), tuple(body.jars))
    return _spark(request).submit(wanted, caller_of(request).name)


@router.get("/jobs/{number}", summary="One Spark job")
def job(request: Request, number: int) -> Job:
    """State, times, exit code and reason."""
    return _spark(request).job(number)


@router.delete("/jobs/{number}", summary="Kill a Spark job")
def kill(request: Request, number: int) -> Job:
    """Ends it with all its processes; one that has ended stays as it is."""
    return _spark(request).kill(number)


@router.get("/jobs/{number}/log", summary="The end of a Spark job's log")
def log(request: Request, number: int, lines: Annotated[int, Query(ge=1, le=MAX_LINES)] = 100) -> bodies.LogLines:
    """What the program and its Spark wrote, oldest line first."""
    return bodies.LogLines(lines=list(_spark(request).log(number, lines)))


def _spark(request: Request) -> Spark:
    found = services_of(request).spark
    if found is None:
        raise UnknownNameError("this controller has no Spark")
    return found


def _shown(server: Server) -> bodies.SparkServer:
    return bodies.SparkServer(name=server.name, endpoint=server.endpoint, user=server.user)
