"""``spec.kubernetes``: what only a cluster on Kubernetes needs to be told. On one machine nothing of it is read.

As in the rest of the model the docstring after a field is its documentation, and everything keeps to a structural schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from controller.spec.section import Section

QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi)?$"
OBJECT_NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
HOST_NAME = r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"

Quantity = Annotated[str, Field(pattern=QUANTITY)]
ObjectName = Annotated[str, Field(pattern=OBJECT_NAME, max_length=253)]
Reference = Annotated[str, Field(min_length=1, max_length=500)]
HostName = Annotated[str, Field(pattern=HOST_NAME, max_length=253)]


class Images(Section):
    """Which container images run. A reference of a pool wins over ``registry`` and ``tag``."""

    registry: Reference = "docker.io"
    """Host, and path where there is one, from which all images are pulled: ``registry.example.com/mirror``. The names below it are
    ``openbdc/controller``, ``openbdc/compute``, ``openbdc/data``, ``openbdc/storage``, ``openbdc/app`` and ``library/postgres``."""
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")] | None = None
    """Tag of OpenBDC's images. null: the controller's own version."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When a node pulls an image. Tags are not moved, so what is present need not be asked for again."""
    pull_secrets: Annotated[tuple[ObjectName, ...], Field(strict=False, max_length=10)] = ()
    """Names of Secrets of type ``kubernetes.io/dockerconfigjson`` in the same namespace, for private registries."""
    control: Reference | None = None
    """Full reference of the image of the setup jobs and the gateway. null: ``<registry>/openbdc/controller:<tag>``."""
    master: Reference | None = None
    """PostgreSQL 18 with TLS. null: ``<registry>/library/postgres:18``."""
    compute: Reference | None = None
    """null: ``<registry>/openbdc/compute:<tag>``."""
    data: Reference | None = None
    """null: ``<registry>/openbdc/data:<tag>``."""
    storage: Reference | None = None
    """HDFS and Spark. null: ``<registry>/openbdc/storage:<tag>``."""
    app: Reference | None = None
    """null: ``<registry>/openbdc/app:<tag>``."""


class Claim(Section):
    """The volume claim of each pod of one kind. It can't change once the pods are there; a larger claim is made by editing the claim
    itself, where its storage class allows that."""

    size: Quantity = "10Gi"
    """How much each claim asks for."""
    storage_class: ObjectName | None = None
    """StorageClass of these claims. null: ``spec.kubernetes.storage.storageClass``."""


class Storage(Section):
    """Volume claims: one for each pod that keeps something."""

    storage_class: ObjectName | None = None
    """StorageClass of all claims that name none themselves. null: the cluster's default one, which must exist then."""
    on_delete: Literal["retain", "delete"] = "retain"
    """What happens to the claims when the cluster is deleted. ``retain``: they stay, and a new cluster of the same name finds its rows and
    files again; ``delete``: they go, and what is in them is lost."""
    claims: dict[str, Claim] = Field(default={})
    """Sizes and classes: of ``master`` (PostgreSQL's data), ``data`` (each shard), ``nameNode``, ``dataNode`` (each one's blocks),
    ``app`` (apps and their environments)."""


class Toleration(Section):
    """Lets pods onto nodes with a taint."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """The taint's key. null, with operator ``Exists``: all taints."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How ``value`` is compared."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, for ``Equal``."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Which effect is tolerated. null: all."""
    toleration_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long pods stay after such a taint of effect ``NoExecute`` appears. null: for ever."""


class PodResources(Section):
    """Requests and limits of each container of a pool; null: what follows from the pool's own sizes."""

    cpu_request: Quantity | None = None
    """Processor time that is kept free for it: ``500m`` is half a core. null: ``100m``."""
    cpu_limit: Quantity | None = None
    """null: none, so that an idle node's processors are used."""
    memory_request: Quantity | None = None
    """Memory that is kept free for it. null: a quarter of the pool's ``memoryMegabytes``, about what it takes when little happens."""
    memory_limit: Quantity | None = None
    """Above it the container is killed. null: a quarter more than the pool's ``memoryMegabytes``, at which the pool itself refuses."""


class Pods(Section):
    """Where the pods of one pool run, and with how much."""

    node_selector: dict[str, str] = Field(default={})
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(strict=False, max_length=20)] = ()
    """Taints that don't keep the pods off a node."""
    spread: Literal["none", "preferred", "required"] = "preferred"
    """Whether pods of one kind (shards, DataNodes, compute replicas) go to different places: as far as possible, always (a pod waits when
    there is no other place), or not at all."""
    spread_by: Annotated[str, Field(min_length=1, max_length=317)] = "kubernetes.io/hostname"
    """The node label that tells places apart: ``topology.kubernetes.io/zone`` for zones."""
    resources: PodResources = PodResources()
    """Requests and limits of each container."""


class Ingress(Section):
    """An Ingress in front of an endpoint that speaks HTTP."""

    host: HostName | None = None
    """Name under which it is reached. null: no Ingress is made."""
    ingress_class: ObjectName | None = None
    """IngressClass. null: the cluster's default one."""
    tls_secret: ObjectName | None = None
    """Secret of type ``kubernetes.io/tls`` for that name. null: no TLS at the Ingress."""


class Exposure(Section):
    """How an endpoint is reached from outside of the Kubernetes cluster."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Type of the Service made for it. ``ClusterIP``: none is made unless there is an Ingress; the endpoint is reached from inside, and by
    `bdc` and kubectl through port-forwards."""
    annotations: dict[str, str] = Field(default={})
    """Annotations of Service and Ingress, as cloud providers and ingress controllers ask for."""
    node_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Number of the port on each node, for ``NodePort`` and ``LoadBalancer``. null: Kubernetes chooses one."""
    ingress: Ingress = Ingress()
    """For ``webhdfs`` and ``app``: an Ingress."""


class Kubernetes(Section):
    """What only Kubernetes needs to know; on one machine it is not read."""

    images: Images = Images()
    """Container images."""
    storage: Storage = Storage()
    """Volume claims."""
    pods: dict[str, Pods] = Field(default={})
    """Where pods run, and with how much: of the pools ``master``, ``compute``, ``data``, ``storage``, ``app``, ``gateway``."""
    endpoints: dict[str, Exposure] = Field(default={})
    """How endpoints are reached from outside: ``gateway``, ``master``, ``compute``, ``webhdfs``, ``app``. Beyond the namespace nothing but
    the login keeps strangers away; WebHDFS believes every name, so it is for closed networks only, where the gateway is for all. The app
    proxy speaks no TLS itself, but the gateway does, and an Ingress in front of it can."""
    tls_secret: ObjectName | None = None
    """Secret of type ``kubernetes.io/tls`` (``tls.crt``, ``tls.key``) with the certificate that master and gateway show, in place of those
    that the cluster's authority makes. null: these; without ``security.tls`` the master speaks no TLS, and a NetworkPolicy lets only the
    cluster's own pods reach it."""
