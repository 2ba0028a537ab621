"""``bdc notebook``: JupyterLab behind the login, with a SQL magic and a PySpark session."""

from __future__ import annotations

import pathlib

import click

from azdata_like_cli import jupyter, output
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from azdata_like_cli.groups.spark import until_ready
from azdata_like_cli.sqlsession import Login, proven_password
from bdc.errors import ServiceError, UserError

SPARK_SECONDS = 180.0


@click.command(
    "notebook",
    cls=BdcCommand,
    examples=["bdc notebook", "bdc notebook --port 9000 --no-browser notebooks", "bdc notebook --no-spark"],
)
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=pathlib.Path), default=".", metavar="[FOLDER]"
)
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="The port on this machine. Default: 8888, or the next free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address; don't open a browser.")
@click.option(
    "--spark/--no-spark",
    default=None,
    help="Start Spark Connect for the notebooks, or do without. Default: start it where that is possible.",
)
@pass_settings
def notebook(settings: Settings, folder: pathlib.Path, port: int | None, no_browser: bool, spark: bool | None) -> None:
    """Start JupyterLab with the notebooks of FOLDER (default: this one), on loopback and with a token; Ctrl-C ends it.

    Notebooks find `%sql` and `%%sql`, which run SQL on the master as you, and `spark`, a session on the cluster's Spark. Spark's token is
    for admins; others get SQL.
    """
    jupyter.check_installed()
    session = settings.session()
    password = proven_password(settings, Login())  # before anything is started
    remote = None if spark is False else _remote(settings, needed=spark is True)
    host, number = session.master()
    added = jupyter.variables(session.context.name, f"{host}:{number}", remote=remote, password=password)
    jupyter.run(jupyter.Lab(folder, port, not no_browser), added)
    output.message("JupyterLab has ended.")


def _remote(settings: Settings, *, needed: bool) -> str | None:
    """Spark Connect's address with its token. None, and said, where there is no Spark to be had; with ``needed`` that is an error."""
    try:
        return _started(settings)
    except (UserError, ServiceError) as error:
        if needed:
            raise
        reason = f": {error.why.splitlines()[0]}" if error.why else ""
        output.message(f"No Spark in these notebooks: {error.message}{reason}" + (f"\n  next:    {error.hint}" if error.hint else ""))
        return None


def _started(settings: Settings) -> str:
    """Start Spark Connect and wait until it is ready; ForbiddenError for those who may not have its token, ServiceError."""
    missing = jupyter.pyspark_missing()
    if missing:
        raise UserError(missing, hint="pip install 'openbdc[spark-client]'", code="not_installed")
    session = settings.session()
    controller = session.controller
    token = controller.spark_token()
    server = controller.spark_start()
    try:
        address = until_ready(controller, server, SPARK_SECONDS)
    except ServiceError:
        controller.spark_stop()  # nobody waits for it any more
        raise
    return f"{session.reachable(address)}/;token={token}"
