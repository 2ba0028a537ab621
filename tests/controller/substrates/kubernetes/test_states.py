from __future__ import annotations

from typing import Any

import pytest

from controller.substrate import ObservedWorkload
from controller.substrates.kubernetes.endings import telling
from controller.substrates.kubernetes.reading import Seen, newest
from controller.substrates.kubernetes.states import observed

Json = dict[str, Any]
BORN = "2026-11-22T08:00:00Z"
LABELS = {"openbdc.dev/workload": "compute-0"}


def workloads(kind: str = "Deployment", **status: object) -> Json:
    containers = {
        "initContainers": [{"name": "compute-0-scratch-initdb"}, {"name": "compute-0-scratch", "restartPolicy": "Always"}],
        "containers": [{"name": "compute-0"}],
    }
    metadata = {"name": "compute-0", "uid": "set", "namespace": "bdc", "labels": LABELS, "creationTimestamp": BORN}
    template = {"metadata": {"labels": LABELS}, "spec": containers}
    rolled = {"updatedReplicas": 1, "currentRevision": "1", "updateRevision": "1", **status}
    return {"kind": kind, "metadata": metadata, "spec": {"replicas": 1, "template": template}, "status": rolled}


def pod(init: list[Json] | None = None, main: list[Json] | None = None, conditions: list[Json] | None = None, **status: object) -> Json:
    images = {
        "initContainers": [
            {"name": "compute-0-scratch-initdb", "image": "i"},
            {"name": "compute-0-scratch", "restartPolicy": "Always", "image": "i"},
        ]
    }
    containers = [{"name": "compute-0", "image": "registry.test/compute:1", "resources": {"limits": {"memory": "1408Mi"}}}]
    return {
        "metadata": {"name": "compute-0-x", "namespace": "bdc", "labels": LABELS, "creationTimestamp": BORN},
        "spec": {**images, "containers": containers, "nodeName": "node-1"},
        "status": {"initContainerStatuses": init or DONE_BEFORE, "containerStatuses": main or [], "conditions": conditions or [], **status},
    }


def status(name: str, state: Json, **more: object) -> Json:
    return {"name": name, "state": state, "restartCount": 0, **more}


RUNNING = {"running": {"startedAt": BORN}}
DONE_BEFORE = [
    status("compute-0-scratch-initdb", {"terminated": {"exitCode": 0}}),
    status("compute-0-scratch", RUNNING, started=True, ready=True),
]


def seen(entry: Json | None, of: Json | None = None, **more: Any) -> dict[str, ObservedWorkload]:
    found = observed(of or workloads(), Seen((entry,) if entry else (), **more), "hash")
    return {workload.name: workload for workload in found}


def waiting(reason: str, message: str = "", **more: object) -> list[Json]:
    return [status("compute-0", {"waiting": {"reason": reason, "message": message}}, **more)]


def test_a_pod_that_serves_is_ready_container_by_container() -> None:
    found = seen(pod(main=[status("compute-0", RUNNING, started=True, ready=True, restartCount=2)]))
    assert {name: workload.state for name, workload in found.items()} == {"compute-0-scratch": "ready", "compute-0": "ready"}
    assert (found["compute-0"].restarts, found["compute-0"].content_hash) == (2, "hash")
    assert found["compute-0"].since == found["compute-0"].started_at == 1795334400.0


@pytest.mark.parametrize(
    ("main", "state", "sentence"),
    [
        ([status("compute-0", RUNNING, started=False)], "starting", ""),
        ([status("compute-0", RUNNING, started=True, ready=False)], "unready", "its probe fails on node-1: no answer"),
        (waiting("ContainerCreating"), "starting", "its container is being made"),
        (waiting("ImagePullBackOff", "not found"), "failed", "the image registry.test/compute:1 can't be pulled: not found"),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), "failed", 'its container can\'t be made: secret "x" not found'),
    ],
)
def test_states_of_a_container(main: list[Json], state: str, sentence: str) -> None:
    found = seen(pod(main=main))["compute-0"]
    assert (found.state, found.reason[: len(sentence)]) == (state, sentence)


def test_a_crash_loop_says_how_it_ended_and_the_last_line_of_its_log() -> None:
    ended = {"terminated": {"exitCode": 2, "startedAt": BORN}}
    entry = pod(main=waiting("CrashLoopBackOff", restartCount=2, lastState=ended))
    found = seen(entry, last_line=lambda pod_, name: f"{pod_} {name}: bad settings")["compute-0"]
    assert (found.state, found.reason) == ("backoff", "it ended with code 2, it is started again: compute-0-x compute-0: bad settings")
    often = pod(main=waiting("CrashLoopBackOff", restartCount=5, lastState=ended))
    assert seen(often)["compute-0"].state == "failed"


def test_the_line_of_a_log_that_tells_is_the_last_one_of_an_error() -> None:
    hadoop = (
        "INFO: Exiting with status 1: DiskErrorException: Too many failed volumes",
        "\tat org.apache.Error.main",
        "*****",
        "SHUTDOWN_MSG",
        "***",
    )
    assert telling(hadoop) == hadoop[0]
    assert telling(("one", "two", "---")) == "two"
    assert telling(("unable to retrieve container logs for containerd://x",)) == ""


def test_killed_for_memory_names_the_limit_and_where_to_change_it() -> None:
    entry = pod(main=[status("compute-0", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}})])
    reason = seen(entry)["compute-0"].reason
    assert reason.startswith("compute-0 needed more memory than its limit of 1408Mi and was killed (spec.kubernetes.pods")


def test_what_comes_first_holds_up_what_comes_later() -> None:
    found = seen(pod(init=[status("compute-0-scratch-initdb", RUNNING)]))
    assert (found["compute-0-scratch"].state, found["compute-0-scratch"].reason) == ("preparing", "initdb runs")
    assert (found["compute-0"].state, found["compute-0"].reason) == ("waiting", "compute-0-scratch-initdb comes first")
    failing = [status("compute-0-scratch-initdb", {"waiting": {"reason": "CrashLoopBackOff"}}, lastState={"terminated": {"exitCode": 1}})]
    found = seen(pod(init=failing), last_line=lambda *_: "no space left")
    assert (found["compute-0-scratch"].state, found["compute-0"].state) == ("backoff", "backoff")
    assert found["compute-0"].reason == "compute-0-scratch-initdb: it ended with code 1, it is started again: no space left"


def test_who_makes_the_pod_says_why_there_is_none() -> None:
    quota = {"type": "ReplicaFailure", "status": "True", "message": "pods is forbidden: exceeded quota: small"}
    found = seen(None, workloads(conditions=[quota]))["compute-0"]
    assert (found.state, "exceeded quota: small" in found.reason, "kubectl describe resourcequota" in found.reason) == (
        "failed",
        True,
        True,
    )
    found = seen(None, workloads("StatefulSet"), events={"set": "serviceaccount not found"})["compute-0"]
    assert (found.state, found.reason) == ("failed", "its pod can't be made: serviceaccount not found")
    assert seen(None)["compute-0"].state == "waiting"


def test_a_pod_without_a_node_says_what_the_scheduler_says_or_which_claim_is_the_cause() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient memory", "lastTransitionTime": BORN}
    found = seen(pod(conditions=[{**unscheduled, "reason": "Unschedulable"}]))["compute-0"]
    assert (found.state, "no node takes its pod: 0/3 nodes: Insufficient memory (bdc doctor" in found.reason) == ("failed", True)
    found = seen(pod(conditions=[{**unscheduled, "reason": "SchedulingGated", "message": "gated"}]))["compute-0"]
    assert (found.state, found.reason) == ("waiting", "no node takes its pod yet: gated")
    unbound = unscheduled | {"message": "pod has unbound immediate PersistentVolumeClaims"}
    claim = {"metadata": {"name": "data-compute-0-0", "namespace": "bdc"}, "spec": {}, "status": {"phase": "Pending"}}
    of = workloads("StatefulSet")
    of["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    found = seen(pod(conditions=[unbound]), of, claims={"data-compute-0-0": claim})["compute-0"]
    assert (found.state, "there is no default StorageClass" in found.reason) == ("failed", True)


def kept(claim: Json, annotation: str | None = "one") -> ObservedWorkload:
    """A shard that serves, with this claim; its set remembers that of uid ``one``."""
    of = workloads("StatefulSet")
    of["metadata"] = {**of["metadata"], "annotations": {} if annotation is None else {"openbdc.dev/claim": annotation}}
    of["spec"] = {**of["spec"], "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    entry = pod(main=[status("compute-0", RUNNING, started=True, ready=True)])
    whole = {"metadata": {"name": "data-compute-0-0", "namespace": "bdc", "uid": "one", "creationTimestamp": BORN}, "spec": {}}
    whole |= {"status": {"phase": "Bound"}}
    claim = {**whole, **claim, "metadata": {**whole["metadata"], **claim.get("metadata", {})}}
    return seen(entry, of, claims={"data-compute-0-0": claim})["compute-0"]


@pytest.mark.parametrize(
    ("claim", "state", "sentence"),
    [
        ({}, "ready", ""),
        (
            {"status": {"phase": "Lost"}},
            "failed",
            "the volume of claim data-compute-0-0 is gone, and what was kept in it (kubectl describe",
        ),
        ({"metadata": {"deletionTimestamp": BORN}}, "unready", "claim data-compute-0-0 is being deleted: what it holds is lost once"),
        ({"metadata": {"uid": "two"}}, "failed", "claim data-compute-0-0 is another one than before"),
        ({"metadata": {"uid": "two", "annotations": {"openbdc.dev/accepted": "empty"}}}, "ready", ""),
    ],
)
def test_a_volume_that_is_lost_is_told_however_well_its_pod_is(claim: Json, state: str, sentence: str) -> None:
    found = kept(claim)
    assert (found.state, found.reason[: len(sentence)]) == (state, sentence)
    if "another one" in found.reason:
        assert "kubectl -n bdc annotate pvc data-compute-0-0 openbdc.dev/accepted=empty" in found.reason


def test_a_set_that_knows_no_claim_takes_the_one_that_it_finds() -> None:
    assert kept({"metadata": {"uid": "two"}}, None).state == "ready"


def test_a_pod_of_the_template_before_is_not_ready() -> None:
    entry = pod(main=[status("compute-0", RUNNING, started=True, ready=True)])
    for of in (workloads(updatedReplicas=0), workloads("StatefulSet", updateRevision="2"), workloads(observedGeneration=7)):
        found = seen(entry, of)["compute-0"]
        assert (found.state, found.reason) == ("starting", "its pod is being replaced")


def test_evicted_and_lost_pods_say_where() -> None:
    found = seen(pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."))["compute-0"]
    assert (found.state, found.reason) == ("backoff", "Evicted on node-1: The node was low on resource: memory.")
    lost = {"type": "Ready", "status": "False", "lastTransitionTime": BORN}
    main = [status("compute-0", RUNNING, started=True, ready=True)]
    for marked in (lost, {**lost, "reason": "NodeNotReady"}):
        found = seen(pod(main=main, conditions=[marked]))["compute-0"]
        assert (found.state, found.reason) == ("unready", "its node does not answer on node-1")
    beside = seen(pod(main=main, conditions=[{**lost, "reason": "ContainersNotReady"}]))["compute-0"]
    assert beside.state == "ready"  # another container of the pod is not


@pytest.mark.parametrize(
    ("condition", "state"), [("Complete", "done"), ("Failed", "failed"), ("Suspended", "stopped")]
)  # fmt: skip
def test_a_job_ends_as_its_conditions_say(condition: str, state: str) -> None:
    of = workloads("Job", conditions=[{"type": condition, "status": "True", "lastTransitionTime": BORN}])
    found = seen(None, of)["compute-0"]
    assert (found.state, found.kind) == (state, "job")
    of["spec"]["backoffLimit"] = 0
    assert seen(None, of)["compute-0"].kind == "batch"


def test_a_job_that_runs_is_not_done_yet_and_one_whose_container_ended_well_is() -> None:
    of = {**workloads("Job"), "metadata": {**workloads()["metadata"], "name": "job-1"}}
    entry = pod(main=[status("compute-0", RUNNING, started=True, ready=True)])
    entry["metadata"]["labels"] = {**LABELS, "batch.kubernetes.io/job-name": "job-1"}
    assert seen(entry, of)["compute-0"].state == "starting"
    entry["status"]["containerStatuses"] = [status("compute-0", {"terminated": {"exitCode": 0, "finishedAt": BORN}})]
    assert seen(entry, of)["compute-0"].state == "done"


def test_the_youngest_pod_that_is_not_ending_counts() -> None:
    ending = pod() | {"metadata": {"name": "a", "creationTimestamp": "2026-11-22T09:00:00Z", "deletionTimestamp": BORN}}
    assert newest([ending, pod()]) == pod()
    assert newest([]) is None


def test_an_edit_by_hand_is_said() -> None:
    entry = pod(main=[status("compute-0", RUNNING, started=True, ready=True)])
    found = observed(workloads(), Seen((entry,)), "", ("kubectl-edit changed spec.replicas of Deployment/compute-0",))
    assert found[1].reason == "edited by hand: kubectl-edit changed spec.replicas of Deployment/compute-0"
