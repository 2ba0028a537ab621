"""The commands of ``bdc``: a table that one can read. A group's module is imported when one of its commands is used, not for ``--help``."""

from __future__ import annotations

import importlib

import click

from azdata_like_cli.command import BdcGroup, shared_options

COMMANDS: dict[str, tuple[str, str]] = {
    "create": ("lifecycle:create", "Create a cluster, here or on Kubernetes, or complete one that was begun."),
    "start": ("lifecycle:start", "Start a cluster of this machine."),
    "stop": ("lifecycle:stop", "Stop a cluster of this machine; its data stays."),
    "delete": ("lifecycle:delete", "Delete a cluster."),
    "list": ("lifecycle:list_clusters", "List the clusters of this machine."),
    "status": ("monitor:status", "Show how the cluster and its services are."),
    "doctor": ("doctor:doctor", "Find what is wrong with machine and cluster, and how to fix it."),
    "debug": ("debug:debug", "One file with all that somebody who helps needs to see."),
    "backup": ("backup:backup", "Write a whole cluster of this machine to one file."),
    "restore": ("backup:restore", "Make a cluster from such a file."),
    "upgrade": ("upgrade:upgrade", "Have a running cluster of this machine go over to this version."),
    "endpoint": ("monitor:endpoint", "Addresses of the cluster's services."),
    "logs": ("monitor:logs", "Show what a workload wrote."),
    "plan": ("plan:plan", "Show what a spec would change in the running cluster."),
    "apply": ("plan:apply", "Make the running cluster what a spec says."),
    "scale": ("plan:scale", "Change the size of a pool; rows are moved."),
    "settings": ("settings:settings", "Single settings of the running cluster."),
    "operation": ("plan:operation", "What changes the cluster: applies, scalings, upgrades, backups."),
    "config": ("config:config", "Write, read and check cluster specs."),
    "login": ("session:login", "Log in to a cluster."),
    "logout": ("session:logout", "Forget the session of a context."),
    "whoami": ("session:whoami", "Show who is logged in, and until when."),
    "context": ("session:context", "Saved clusters and sessions."),
    "auth": ("auth:auth", "Logins with a directory account."),
    "audit": ("audit:audit", "Who did what, from where, allowed or not."),
    "cert": ("cert:cert", "Certificates: list, renew, what to trust."),
    "key": ("key:key", "Keys that sign tokens: list, rotate."),
    "user": ("user:user", "Users and their roles."),
    "sql": ("sql:sql", "Run SQL on the master."),
    "query": ("query:query", "Queries that run in the compute pool."),
    "source": ("source:source", "Data sources: where virtual tables get their rows from."),
    "table": ("table:table", "Virtual tables."),
    "data": ("data:data", "Tables of the data pool, spread over shards."),
    "hdfs": ("hdfs:hdfs", "Files of the cluster's HDFS."),
    "spark": ("spark:spark", "Spark beside HDFS: Connect server and jobs."),
    "app": ("app:app", "Apps: a script or a model as a service."),
    "notebook": ("notebook:notebook", "JupyterLab with SQL and Spark ready."),
    "version": ("about:version", "Show the versions."),
    "completion": ("about:completion", "Print a shell's completion script."),
}
"""Name → (module:object under azdata_like_cli.groups, one line of help)."""


class LazyGroup(BdcGroup):
    """The root: knows names and one-line helps from the table and imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(f"azdata_like_cli.groups.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; an unknown name is told with those of the table that are like it."""
        if args and args[0] not in COMMANDS:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


HELP = """Manage OpenBDC clusters and the data behind them.

    bdc create demo               make a cluster on this machine
    bdc status                    see how it is
    bdc sql query 'SELECT 1'      ask it something

Every command prints a table, or JSON, YAML or TSV with -o. The environment variables BDC_PASSWORD, BDC_CONFIG and BDC_HOME are
described in docs/reference/cli.md, like the exit codes."""


def _version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    """``bdc --version``: one line; `bdc version` says more."""
    if asked and not context.resilient_parsing:
        from importlib import metadata

        click.echo(f"bdc {metadata.version('openbdc')}")
        context.exit()


def root() -> LazyGroup:
    """The command ``bdc``."""
    version = click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version of this client."
    )
    text = HELP.replace("\n\n    bdc create", "\n\n\b\n    bdc create")
    return LazyGroup(
        "bdc",
        help=text,
        params=[*shared_options(), version],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
