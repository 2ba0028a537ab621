"""What every Dockerfile keeps to; no image is built here."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from tests.images.dockerfile import FOLDER, NAMES, ROOT, final_stage, instructions, pins

OURS = tuple(name for name in NAMES if not name.startswith("test/"))
SCRIPTS = tuple(sorted((FOLDER / "build").glob("*.sh")))


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_a_user_that_kubernetes_can_see_is_not_root(name: str) -> None:
    """``runAsNonRoot`` needs a number."""
    users = [one.text for one in final_stage(name) if one.word == "USER"]
    assert users == ["999:999" if name == "test/postgresql" else "10001:10001"]


@pytest.mark.parametrize("name", NAMES)
def test_bases_are_arguments_with_a_tag_that_says_a_release(name: str) -> None:
    found = instructions(name)
    arguments = dict(one.text.split("=") for one in found if one.word == "ARG")
    stages: set[str] = set()
    for one in (one for one in found if one.word == "FROM"):
        stage, _, own = one.text.partition(" AS ")
        stages.add(own)
        if stage in stages:
            continue  # goes on from one above
        match = re.fullmatch(r"\$\{(\w+)\}(?: AS \w+)?", one.text)
        assert match, one
        base = arguments[match[1]]
        assert re.fullmatch(r"[a-z]+:[a-z0-9.-]+", base), base  # of the default registry: no host name
        assert not base.endswith(":latest")


@pytest.mark.parametrize("name", OURS)
def test_all_that_our_distributions_hold_is_copied(name: str) -> None:
    found = instructions(name)
    copied = {one.text.split()[0].rstrip("/") for one in found if one.word == "COPY" and " /source/" in one.text}
    built = {
        word
        for one in found
        if one.word == "RUN"
        for words in re.findall(r"ours\.sh \S+((?: [a-z]+)+)", one.text)
        for word in words.split()
    }
    assert built
    context = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for distribution in built:
        wheel = tomllib.loads((ROOT / "distributions" / distribution / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
            "wheel"
        ]
        needed = {source.removeprefix("../../").split("/")[0] for source in wheel["force-include"]}
        assert needed <= copied & context, (distribution, needed - copied, needed - context)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_fetched_but_by_package_tools_with_hashes(name: str) -> None:
    for one in instructions(name):
        assert one.word != "ADD"
        assert "://" not in one.text
        assert not re.search(r"\b(curl|wget|pip install|git clone)\b", one.text), one


def test_the_build_scripts_check_hashes_and_name_no_address() -> None:
    for script in SCRIPTS:
        text = script.read_text()
        assert "://" not in text, script.name
        for line in re.findall(r"pip\"? (?:install|wheel|--python).*", text):
            assert "--require-hashes" in line or "--no-index" in line, line


@pytest.mark.parametrize("name", NAMES)
def test_the_network_s_settings_are_secrets_of_the_build(name: str) -> None:
    """Neither arguments nor environment: both stay in the image."""
    for one in instructions(name):
        if one.word in ("ARG", "ENV"):
            assert not re.search(r"(?i)index|proxy|token|password|secret|cert", one.text), one
        if one.word == "RUN" and re.search(r"tools\.sh|environment\.sh|packages\.sh|hadoop\.sh|postgresql-server\.sh", one.text):
            assert "--mount=type=secret" in one.text, one


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_one_process_without_a_shell(name: str) -> None:
    words = {one.word: one.text for one in final_stage(name)}
    assert "ENTRYPOINT" not in words  # the workload's command is the command
    assert words["CMD"].startswith("[")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    labels = "".join(one.text for one in final_stage(name) if one.word == "LABEL")
    for label in ("title", "description", "licenses", "version"):
        assert f'org.opencontainers.image.{label}="' in labels


@pytest.mark.parametrize("name", NAMES)
def test_what_it_copies_is_there_and_in_the_context(name: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    for one in instructions(name):
        if one.word == "COPY" and "--from" not in one.text:
            *sources, _ = one.text.split()
            assert all((ROOT / source).exists() and source.split("/")[0] in allowed for source in sources), one


def test_readme_and_script_name_all_images() -> None:
    readme, script = (FOLDER / "README.md").read_text(), (ROOT / "scripts/images.sh").read_text()
    listed = re.search(r"^all=\(([^)]*)\)", script, re.MULTILINE)
    assert listed
    assert sorted(listed[1].split()) == list(NAMES)
    assert all(f"`openbdc/{name}`" in readme for name in OURS)


@pytest.mark.parametrize("script", [ROOT / "scripts/images.sh", FOLDER / "bases.sh", *SCRIPTS], ids=lambda path: path.name)
def test_scripts_are_whole(script: object) -> None:
    shell = "bash" if str(script).endswith(("images.sh", "bases.sh")) else "sh"
    subprocess.run([shell, "-n", str(script)], check=True)


@pytest.mark.parametrize("name", ["build", "controller", "compute", "data", "storage", "app"])
def test_locks_hold_the_versions_that_are_tested(name: str) -> None:
    """A lock of an image adds nothing to the cluster's and the client's: else ``make lock`` was forgotten."""
    tested: dict[str, set[str]] = {}
    for lock in ("cluster", "client", "dev"):
        for package, versions in pins(lock).items():
            tested.setdefault(package, set()).update(versions)
    if name == "build":
        return
    assert {package: versions for package, versions in pins(name).items() if not versions <= tested.get(package, set())} == {}


@pytest.mark.parametrize("arguments", [["nothing"], ["--tag"], ["--registry", ""]])
def test_the_script_refuses_what_it_does_not_know_and_says_what_it_does(arguments: list[str]) -> None:
    done = subprocess.run([ROOT / "scripts/images.sh", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.search(r"images: error: .+\nimages: next: .+", done.stderr)
