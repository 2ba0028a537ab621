"""Which cluster of which Kubernetes a command means: options, saved contexts, the kubeconfig."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from bdc import contexts, machine
from bdc.contexts import Place
from bdc.errors import NotFoundError, UserError
from bdc.session import ControllerAddress

Function = TypeVar("Function", bound=Callable[..., Any])

PROFILE = "kubernetes"
RELEASE = "openbdc"
"""Name of the Helm release, and of the controller's Deployment and Service: one per namespace."""
CONTROLLER_PORT = 30080
_META = "azdata_like_cli.kubernetes."


def place_options(*namespace: str) -> Callable[[Function], Function]:
    """``--kube-context`` and the option ``namespace`` (its spellings); ``chosen_place`` reads them."""

    def store(context: click.Context, parameter: click.Parameter, value: object) -> None:
        context.meta[_META + str(parameter.name)] = value

    def decorate(function: Function) -> Function:
        text = "The Kubernetes namespace. Default: the cluster's name."
        function = click.option(*namespace, "kube_namespace", metavar="NAME", expose_value=False, callback=store, help=text)(function)
        text = "The context of the kubeconfig. Default: its current one."
        return click.option("--kube-context", metavar="NAME", expose_value=False, callback=store, help=text)(function)

    return decorate


def option(name: str) -> str | None:
    """What ``kube_context`` or ``kube_namespace`` was set to for the command that runs."""
    found = click.get_current_context().meta.get(_META + name)
    return str(found) if found else None


def chosen_place(cluster: str) -> Place:
    """By the options, else the kubeconfig's current context and the namespace of the cluster's name."""
    return Place(option("kube_context") or _current_context(), option("kube_namespace") or cluster)


def _current_context() -> str:
    """The current context by its name, as it may be another one tomorrow; UserError when there is none."""
    from bdc import kubectl

    try:
        return kubectl.call(Place("", "default"), "config", "current-context").strip()
    except UserError as error:
        if error.code != "no_context":
            raise
        hint = "'kubectl config use-context NAME' sets one, --kube-context names one, KUBECONFIG says which files are read"
        raise UserError("the kubeconfig has no current context", hint=hint, code="no_context") from error


def saved(cluster: str | None, context: str | None = None) -> contexts.Session | None:
    """The saved context of a cluster on Kubernetes: of that name or, without one, the active one (or ``context``) if it is such."""
    known = contexts.load()
    if cluster is None:
        found = known.sessions.get(context or known.active or "")
        return found if found is not None and found.kubernetes is not None else None
    here = [session for session in known.sessions.values() if session.kubernetes is not None and session.cluster == cluster]
    places = {session.kubernetes for session in here}
    if len(places) > 1:
        listed = ", ".join(sorted(f"{place.context}/{place.namespace}" for place in places if place is not None))
        raise UserError(f"several saved contexts have a cluster {cluster!r}: {listed}", hint="choose with --kube-context and --namespace")
    return here[0] if here else None


def means_kubernetes(cluster: str, asked: bool) -> bool:
    """Whether a command is about a cluster there: by its options (``asked``: ``--kubernetes``), else where the name is known."""
    if asked or option("kube_context") or option("kube_namespace"):
        return True
    if saved(cluster) is None:
        return False
    if any(found.name == cluster for found in machine.clusters()):
        hint = "for that on Kubernetes: --kubernetes"
        raise UserError(f"there is a cluster {cluster!r} on this machine and one on Kubernetes", hint=hint)
    return True


def named(cluster: str | None, asked: bool) -> str | None:
    """The name of the cluster on Kubernetes that a command is about, for one that may be left without a name; None: this machine's."""
    if cluster is None:
        found = saved(None)
        if found is None or (machine.clusters() and not asked):
            return None
        return found.cluster
    return cluster if means_kubernetes(cluster, asked) else None


def place_of(cluster: str) -> Place:
    """For a cluster that exists: by the options where one is given, else by the saved context."""
    if option("kube_context") is None and option("kube_namespace") is None:
        found = saved(cluster)
        if found is not None and found.kubernetes is not None:
            return found.kubernetes
    return chosen_place(cluster)


def controller_of(place: Place) -> ControllerAddress:
    """Where the controller of a namespace is."""
    return ControllerAddress(f"http://{RELEASE}.{place.namespace}.svc:{CONTROLLER_PORT}", place)


def not_there(cluster: str, place: Place) -> NotFoundError:
    """The error for a namespace without such a cluster."""
    return NotFoundError(
        f"there is no cluster {cluster!r} in namespace {place.namespace}",
        where=f"kubeconfig context {place.context}",
        hint="'kubectl get bigdatacluster --all-namespaces' shows all",
    )
