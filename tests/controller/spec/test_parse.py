from __future__ import annotations

import pytest

from controller.errors import SpecError
from controller.profiles import profile_names, render_profile
from controller.spec import ClusterSpec, check_spec, dump_spec, load_spec, port_numbers, with_base

MINIMAL = "apiVersion: openbdc.dev/v1alpha1\nkind: BigDataCluster\nmetadata: {name: demo}\n"


def problems(text: str) -> list[tuple[str, int | None, str]]:
    with pytest.raises(SpecError) as caught:
        load_spec(text)
    return [
        (problem.path, problem.line, problem.message + (f" ({problem.hint})" if problem.hint else "")) for problem in caught.value.problems
    ]


def body(text: str) -> str:
    return MINIMAL + "spec:\n" + "\n".join("  " + line for line in text.splitlines())


def test_minimal_spec_takes_all_defaults_and_survives_a_round_trip() -> None:
    spec = load_spec(MINIMAL)
    assert spec.name == "demo"
    assert spec.spec.pools.storage.data_nodes == 2
    assert load_spec(dump_spec(spec)) == spec


def test_every_profile_is_a_valid_spec_and_says_the_defaults() -> None:
    assert profile_names() == ("kubernetes", "local")
    assert load_spec(render_profile("kubernetes", "demo")).spec.profile == "kubernetes"
    spec = load_spec(render_profile("local", "demo"))
    assert spec == load_spec(MINIMAL)


@pytest.mark.parametrize("name", ["no", "on", "null", "e3", "a-1"])
def test_names_that_yaml_would_misread_stay_names(name: str) -> None:
    assert load_spec(render_profile("local", name)).name == name


@pytest.mark.parametrize("name", ["", "A", "1a", "a_b", "a-", "a" * 21, "ä", "a\\n", "../x", "a b"])
def test_bad_names(name: str) -> None:
    (found,) = problems(MINIMAL.replace("demo", f'"{name}"'))
    assert found[:2] == ("metadata.name", 3)
    assert "at most 20 characters" in found[2]


def test_several_problems_come_at_once_in_the_order_of_lines() -> None:
    text = body(
        'pools:\n  compute:\n    replica: 2\n    memoryMegabytes: "x"\n    memory_megabytes: 1\n  storage: {replication: yes}\n  dogs: {}'
    )
    assert problems(text) == [
        ("spec.pools.compute.replica", 7, "unknown key (did you mean 'replicas'?)"),
        ("spec.pools.compute.memoryMegabytes", 8, "a whole number is expected, not 'x'"),
        ("spec.pools.compute.memory_megabytes", 9, "unknown key (did you mean 'memoryMegabytes'?)"),
        ("spec.pools.storage.replication", 10, "a whole number is expected, not true"),
        ("spec.pools.dogs", 11, "unknown key (known here: master, compute, data, storage, app)"),
    ]


def test_missing_values_name_the_nearest_line() -> None:
    assert [found[:2] for found in problems("kind: BigDataCluster\nmetadata: {}\n")] == [("apiVersion", 1), ("metadata.name", 2)]


def test_duplicate_keys_name_both_lines() -> None:
    assert problems(body("pools: {}\npools: {}")) == [("spec.pools", 6, "written twice; first in line 5")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a mapping with apiVersion"),
        ("- a\n", "a mapping with apiVersion"),
        ("a: [1\nb: 2", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "unknown key"),
        ("a: &x [*x]\n", "anchors and aliases"),
        ("a: \x00", "not valid YAML"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("? [a]\n: 1", "a key must be a plain text"),
    ],
)
def test_hostile_and_broken_texts(text: str, words: str) -> None:
    assert any(words in found[2] for found in problems(text))


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("pools: {storage: {replication: 3}}", "spec.pools.storage.replication", "dataNodes is 2"),
        ("ports: {master: 30080}", "spec.ports.master", "already taken by controller"),
        ("ports: {compute: 31499}\npools: {compute: {replicas: 2}}", "spec.ports.namenode", "already taken by compute-1"),
        ("ports: {base: 30000}\nnetwork: {bind: 127.0.0.1}", None, ""),
        ("ports: {datanode: 65534}", "spec.ports.datanode", "the highest is 65535"),
        ("{network: {bind: 0.0.0.0}, security: {tls: {enabled: false}}}", "spec.network.bind", "without TLS passwords"),
        ("network: {bind: localhost}", "spec.network.bind", "not an IP address"),
        ("network: {tls: {certificate: /c}}", "spec.network.tls.certificate", "without key"),
        ("pools: {master: {databases: [a, a]}}", "spec.pools.master.databases.1", "listed twice"),
        ("pools: {master: {databases: [template1]}}", "spec.pools.master.databases.0", "PostgreSQL's own"),
        ('pools: {master: {databases: ["x; drop"]}}', "spec.pools.master.databases.0", "not a database name"),
        ("pools: {compute: {replicas: 0}}", "spec.pools.compute.replicas", "greater than or equal to 1"),
        ("pools: {storage: {enabled: 'yes'}}", "spec.pools.storage.enabled", "true or false is expected"),
    ],
)
def test_rules_over_several_fields(text: str, path: str | None, words: str) -> None:
    if path is None:
        load_spec(body(text))
        return
    assert any(found[0] == path and words in found[2] and found[1] for found in problems(body(text)))


def test_with_tls_which_is_the_default_there_a_cluster_may_leave_loopback() -> None:
    load_spec(body("network: {bind: 0.0.0.0, tls: {certificate: /c, key: /k}}"))
    load_spec(body("network: {bind: 0.0.0.0}"))


def test_ports_follow_base() -> None:
    spec = with_base(load_spec(MINIMAL), 1000)
    numbers = port_numbers(spec)
    assert (numbers.controller, numbers.master, numbers.compute, numbers.datanodes[1]) == (31080, 32433, (32434,), (32513, 32514, 32515))
    assert port_numbers(load_spec(MINIMAL), base=2000).controller == 32080
    assert (numbers.data, numbers.flight) == ((32450, 32451), (32471,))
    disabled = load_spec(body("pools: {storage: {enabled: false}, data: {shards: 0}}"))
    assert {name for name, _ in port_numbers(disabled).named()} == {"controller", "master", "compute-0", "app"}


def test_specs_made_in_python_are_checked_by_the_same_rules() -> None:
    spec = ClusterSpec.model_validate(
        {
            "apiVersion": "openbdc.dev/v1alpha1",
            "kind": "BigDataCluster",
            "metadata": {"name": "x"},
            "spec": {"network": {"bind": "10.0.0.1"}, "security": {"tls": {"enabled": False}}},
        }
    )
    with pytest.raises(SpecError, match=r"spec\.network\.bind"):
        check_spec(spec)
