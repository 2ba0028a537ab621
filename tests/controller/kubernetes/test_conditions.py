"""Pure: from outcomes to conditions, and which workload goes when."""

from __future__ import annotations

import datetime

import pytest

from controller.kubernetes.conditions import Condition, merged, of_outcome, refusal, status_of, still
from controller.kubernetes.deletion import stage
from controller.reconcile import Outcome
from controller.status import ClusterStatus

NOW = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.UTC)


def tree(state: str, details: str = "all is ready") -> ClusterStatus:
    instance = {"name": "compute-0", "state": state, "health": "healthy", "details": "ready", "restarts": 0, "since": 1.0}
    resources = [{"name": "compute-0", "state": state, "health": "healthy", "details": "", "instances": [instance]}]
    resources.append({**resources[0], "name": "compute-1", "instances": [{key: instance[key] for key in instance if key != "since"}]})
    services = [{"name": "sql", "state": state, "health": "healthy", "details": "", "resources": resources}]
    return {"name": "demo", "state": state, "health": "healthy", "details": details, "services": services}  # type: ignore[typeddict-item]


def words(outcome: Outcome) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in of_outcome(outcome)}


def test_ready() -> None:
    assert words(Outcome("", 1.0, status=tree("ready"))) == {
        "Accepted": ("True", "Valid"),
        "Ready": ("True", "AllReady"),
        "Progressing": ("False", "Settled"),
        "Degraded": ("False", "AsExpected"),
    }


@pytest.mark.parametrize(
    ("state", "progressing", "degraded"), [("starting", "True", "False"), ("unready", "False", "True"), ("error", "False", "True")]
)
def test_not_ready(state: str, progressing: str, degraded: str) -> None:
    found = words(Outcome("", 1.0, status=tree(state, "data-0: failed: no volume")))
    assert (found["Ready"][0], found["Progressing"][0], found["Degraded"][0]) == ("False", progressing, degraded)


def test_a_refused_spec_and_a_failed_pass() -> None:
    found = of_outcome(Outcome("", 1.0, "it is bad", status=tree("error", "it is bad"), failed_steps=("spec",)))
    assert (found[0].status, found[0].message) == ("False", "it is bad")
    assert (found[3].reason, found[3].message) == ("PassFailed", "it is bad")
    assert of_outcome(Outcome("", 1.0, "no answer"))[1].message == "no answer"
    assert {condition.reason for condition in refusal("SecondCluster", "x")} == {"SecondCluster"}


def test_the_time_of_a_change_stays_while_the_status_does() -> None:
    first = merged((Condition("Ready", "False", "Starting", "a"),), [], 1, NOW)
    later = merged((Condition("Ready", "False", "Unready", "b"),), first, 2, NOW + datetime.timedelta(minutes=1))
    assert later[0]["lastTransitionTime"] == first[0]["lastTransitionTime"] == "2026-11-22T09:00:00Z"
    assert (later[0]["reason"], later[0]["message"], later[0]["observedGeneration"]) == ("Unready", "b", 2)
    turned = merged((Condition("Ready", "True", "AllReady", "c" * 9999),), later, 3, NOW + datetime.timedelta(minutes=2))
    assert turned[0]["lastTransitionTime"] == "2026-11-22T09:02:00Z"
    assert len(turned[0]["message"]) <= 4000


def test_the_status_counts_replicas_that_are_there_and_says_one_sentence() -> None:
    status = status_of(Outcome("", 1.0, status=tree("ready", "a sentence")), [], "demo")
    assert (status["replicas"], status["selector"]) == (1, "openbdc.dev/cluster=demo,app.kubernetes.io/component=compute")
    assert status["message"] == "a sentence"
    assert status_of(Outcome("", 1.0, "no answer"), [], "demo")["message"] == "no answer"


def test_sentences_of_the_resource_count_no_seconds() -> None:
    said = {"a": "nmnode-0: failed: no volume, 754 s (and 3 more)", "b": [{"c": "starting: runs, 4 s"}, 5], "d": "x, 3 s; y, 2 s"}
    assert still(said) == {"a": "nmnode-0: failed: no volume (and 3 more)", "b": [{"c": "starting: runs"}, 5], "d": "x; y"}
    assert still("waits 5 s, 6 servers") == "waits 5 s, 6 servers"


def test_what_uses_others_goes_first() -> None:
    names = ["master-0", "master-setup", "data-1", "nmnode-0", "storage-0-1", "hdfs-setup", "spark-connect-0", "spark-job-3", "compute-0"]
    names += ["gateway", "app-proxy"]
    assert {name: stage(name) for name in names} == dict(zip(names, [2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0], strict=True))
