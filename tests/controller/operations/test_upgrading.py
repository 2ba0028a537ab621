"""`bdc upgrade` on Kubernetes as an operation: other images, and the way back where they do not come up. Who gets them when is the
substrate's business (tests/controller/substrates/kubernetes/test_rolling.py)."""

from __future__ import annotations

import pathlib
from dataclasses import asdict, replace

import pytest

from controller.errors import ConflictError, RequestError
from controller.operations import settling
from controller.operations.applying import RefusedError, begin_apply
from controller.operations.assembly import operating
from controller.operations.record import Operation
from controller.operations.upgrading import begin_upgrade
from controller.spec import ClusterSpec
from controller.spec.kubernetes import Images
from controller.substrate import Observed, ObservedWorkload, State
from controller.versions import is_older
from pools.workload import Workload
from tests.controller.operations.world import World
from tests.controller.substrate import StandInSubstrate

TAG = "spec.kubernetes.images.tag"


class ImageSubstrate(StandInSubstrate):
    """Every workload runs an image; ``broken``: (tag, workload) that end at once."""

    def __init__(self) -> None:
        super().__init__()
        self.images = Images()
        self.broken_images: set[tuple[str | None, str]] = set()
        self.fails: tuple[State, str] = ("backoff", "it ended with code 3")

    def wanted(self, spec: ClusterSpec, desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
        self.images = spec.spec.kubernetes.images
        return desired

    def content_hash(self, workload: Workload) -> str:
        return f"{workload.name} {self.images.tag} {self.images.registry} {super().content_hash(workload)}"

    def tick(self) -> None:
        super().tick()
        for name, seen in self.running.items():
            if ("".join(seen.content_hash.split(" ")[1:2])) in {tag for tag, broken in self.broken_images if broken == name}:
                self.running[name] = replace(seen, state=self.fails[0], reason=self.fails[1])


class ImageWorld(World):
    """``World`` with images."""

    substrate: ImageSubstrate

    def run(self, tag: str | None = None, registry: str | None = None, steps: int = 80) -> Operation:
        return self.carry_out(self.begin(tag, registry).number, steps)

    def begin(self, tag: str | None = None, registry: str | None = None) -> Operation:
        return begin_upgrade(self.operating, "admin", {"tag": tag, "registry": registry, "seconds": 300})[1]

    def images(self) -> Images:
        return self.spec().spec.kubernetes.images

    def all_run(self, tag: str | None) -> bool:
        return {name for name, seen in self.substrate.running.items() if f" {tag} " not in seen.content_hash} == {"control"}


@pytest.fixture
def world(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> ImageWorld:
    monkeypatch.setattr("tests.controller.operations.world.StandInSubstrate", ImageSubstrate)
    monkeypatch.setattr(settling, "FAILED_SECONDS", 0.0)
    return ImageWorld(tmp_path)


def test_other_images_are_written_and_waited_for(world: ImageWorld) -> None:
    done = world.run("2.0", "mirror.example.com")
    assert (done.state, done.phase) == ("done", "all pools run with tag 2.0 of mirror.example.com")
    assert (world.images().tag, world.images().registry, world.document.writes) == ("2.0", "mirror.example.com", 1)
    assert world.all_run("2.0")


def test_without_a_tag_it_is_the_controllers_version_which_an_unnamed_tag_is_already(world: ImageWorld) -> None:
    assert world.run().state == "done" and world.document.writes == 0
    world.run("1.5")
    world.document.image_tag = "2.0"
    world.operating = operating(world.parts, world, world.document, world.dsn)
    assert world.run().state == "done" and world.images().tag == "2.0"


@pytest.mark.parametrize("fails", [("backoff", "it ended with code 3"), ("failed", "the image data:2.0 can't be pulled")])
def test_what_does_not_come_up_takes_all_of_it_back(world: ImageWorld, fails: tuple[State, str]) -> None:
    world.substrate.fails = fails
    world.document.text += "# of ours\n"
    world.settle()
    before = world.document.text
    world.substrate.broken_images = {("2.0", "data-0")}
    ended = world.run("2.0")
    assert ended.state == "failed" and ended.problem is not None
    assert (ended.problem["code"], ended.problem["where"]) == ("upgrade_failed", "data-0")
    told = str(ended.problem["message"])
    assert "data-0 of pool data does not come up with the new images: {}: {}".format(*fails) in told
    assert "everything runs with the images of before again" in told and "bdc upgrade again" in str(ended.problem["hint"])
    assert "data-0 line 9" in str(ended.problem["why"])
    assert world.document.text == before and world.all_run(None)


def test_what_others_changed_meanwhile_stays_on_the_way_back(world: ImageWorld) -> None:
    world.substrate.broken_images = {("2.0", "data-0")}
    begun = world.begin("2.0")
    for _ in range(2):
        world.operating.engine.advance()
    world.document.text = world.changed("spec.pools.compute.replicas", "2")  # as an autoscaler would
    assert world.carry_out(begun.number).state == "failed"
    assert (world.images().tag, world.spec().spec.pools.compute.replicas) == (None, 2)


def test_other_images_in_the_middle_end_it_and_an_invalid_spec_too(world: ImageWorld) -> None:
    begun = world.begin("2.0")
    for _ in range(2):
        world.operating.engine.advance()
    world.document.text = world.changed(TAG, "'3.0'")
    ended = world.carry_out(begun.number)
    assert ended.state == "failed" and ended.problem and "somebody else changed the images" in str(ended.problem["message"])
    world.settle()
    assert world.images().tag == "3.0"
    begun = world.begin("4.0")
    for _ in range(2):
        world.operating.engine.advance()
    world.document.text = world.document.text.replace("kind: BigDataCluster", "kind: Nonsense")
    ended = world.carry_out(begun.number)
    assert ended.problem and "is not valid" in str(ended.problem["message"]) and "bdc upgrade again" in str(ended.problem["hint"])


@pytest.mark.parametrize("broken", [False, True])
def test_it_goes_on_wherever_the_controller_was_killed(world: ImageWorld, broken: bool) -> None:
    before = world.document.text
    world.substrate.broken_images = {("2.0", "data-1")} if broken else set()
    begun = world.begin("2.0")
    for _ in range(80):
        another = ImageWorld.__new__(ImageWorld)
        another.__dict__.update(world.__dict__)
        another.wake()
        another.operating = operating(world.parts, another, world.document, world.dsn)
        if not another.operating.engine.advance():
            break
    ended = world.operating.operations.get(begun.number)
    assert ended.state == ("failed" if broken else "done")
    assert world.document.writes == (2 if broken else 1)
    assert not broken or (world.document.text == before and world.all_run(None))


def test_killed_between_writing_and_saying_so(world: ImageWorld) -> None:
    begun = world.begin("2.0")
    world.operating.engine.advance()
    known = world.operating.operations.get(begun.number)
    world.operating.engine.advance()
    assert world.document.writes == 1
    world.operating.operations.keep(known)
    assert world.carry_out(begun.number).state == "done" and world.document.writes == 1


def test_a_status_that_may_be_older_than_the_last_restart_ends_nothing(world: ImageWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = world.begin()
    with monkeypatch.context() as patch:
        patch.setattr(world, "wake", lambda _wait=0.0: False)
        for _ in range(5):
            assert world.operating.engine.advance()
    assert world.operating.operations.get(begun.number).phase == "waits for the controller's next pass"
    assert world.carry_out(begun.number).state == "done"


def test_who_fails_is_remembered_between_two_ends_but_not_once_it_runs() -> None:
    def seen(state: State, content: str = "new") -> Observed:
        return Observed((ObservedWorkload("master-0", "ready", "x"), ObservedWorkload("data-0", state, content)))

    first = settling.culprit(seen("backoff"), None, 100.0)
    assert first is not None and (first.name, first.since) == ("data-0", 100.0)
    between = settling.culprit(seen("starting"), asdict(first), 110.0)
    assert between == first
    again = settling.culprit(seen("failed"), asdict(first), 115.0)
    assert again == replace(first, seen=115.0)
    assert settling.culprit(seen("starting"), asdict(again), 140.0) is None
    assert settling.culprit(seen("ready"), asdict(again), 116.0) is None
    assert settling.culprit(seen("backoff", "other"), asdict(again), 117.0) == settling.Culprit("data-0", "other", 117.0, 117.0)


def test_one_operation_at_a_time_and_the_same_one_joins(world: ImageWorld) -> None:
    begun = world.begin("2.0")
    assert world.begin("2.0") == begun
    with pytest.raises(ConflictError, match=r"upgrade by admin is under way \(operation 1\)"):
        world.begin("3.0")
    spec = world.changed("spec.pools.compute.replicas", "2")
    with pytest.raises(ConflictError, match="upgrade by admin is under way"):
        begin_apply(world.operating.engine, world.operating.planner, "ann", {"spec": spec, "base": None, "seconds": 600})


def test_backwards_is_refused_and_an_apply_that_does_it_is_told(world: ImageWorld) -> None:
    with pytest.raises(RefusedError, match=r"the pools run 1\.0, and 0\.9 is older") as failure:
        world.begin("0.9")
    assert "bdc restore" in str(failure.value.hint)
    assert world.run("2.0").state == "done"
    with pytest.raises(RefusedError, match=r"the pools run 2\.0"):
        world.begin("1.9.9")
    plan = world.operating.planner.plan(world.changed(TAG, "1.9.9"))
    notes, changed = plan.notes, {one.name: one for one in plan.workloads}
    assert (changed["data-0"].action, changed["master-setup"].action) == ("restart", "run") and "master-0" not in changed
    assert changed["data-0"].why == ("image: docker.io/openbdc/data:2.0 → docker.io/openbdc/data:1.9.9",)
    assert any("go backwards, from 2.0 to 1.9.9" in note for note in notes) and any("one pod after the other" in note for note in notes)


def test_a_cluster_of_programs_has_no_images(world: ImageWorld) -> None:
    world.document.image_tag = None
    world.operating = operating(world.parts, world, world.document, world.dsn)
    with pytest.raises(RequestError, match="no images"):
        world.begin("2.0")


def test_a_new_controller_of_which_a_pool_does_not_come_up_can_only_be_taken_back_itself(world: ImageWorld) -> None:
    """The images follow its version: nothing in the spec would bring those of before."""
    world.substrate.running["data-0"] = replace(world.substrate.running["data-0"], state="backoff", reason="it ended with code 3")
    world.substrate.tick = lambda: None  # type: ignore[method-assign]
    ended = world.run()
    assert ended.state == "failed" and ended.problem and "helm rollback" in str(ended.problem["hint"])
    assert world.document.writes == 0


def test_a_pool_with_an_image_of_its_own_is_named(world: ImageWorld) -> None:
    world.document.text = world.changed("spec.kubernetes.images.data", "registry.example.com/data:7")
    world.settle()
    assert world.run("2.0").phase.endswith("(but data: an image of its own)")


def test_the_order_of_versions() -> None:
    assert is_older("0.9.9", than="0.10") and is_older("v1", than="1.0.1")
    assert not any(is_older(*pair) for pair in (("1.0", "1.0.0"), ("1.0.0", "1.0"), ("2.0", "1.9"), ("nightly", "1.0"), ("1.0", "nightly")))
