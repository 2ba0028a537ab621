"""The command lines of a test cluster's servers. Pure: a ``Site`` in, a list out; ``keeper.py`` runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.services.kubernetes.namespaces import NODE_IP

TEMPLATES = Path(__file__).with_name("templates")
ETCD = "http://127.0.0.1:2379"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"
NODE_NAME = "node"


@dataclass(frozen=True)
class Site:
    """Where one test cluster lives."""

    run: Path
    """Its folder; under 80 characters, because Unix sockets lie in it."""
    programs: Path
    images: Path
    port: int
    """The API server's: the same inside, on 127.0.0.1 of the cluster's network, and outside, so that one kubeconfig serves both."""

    @property
    def pki(self) -> Path:
        """Keys, certificates, kubeconfigs of the components."""
        return self.run / "pki"

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.pki / "admin.kubeconfig"

    @property
    def containerd(self) -> Path:
        """containerd's socket."""
        return self.run / "c.sock"

    def fill(self, template: str, cgroup: str) -> Path:
        """``templates/NAME`` with this cluster's own values, laid into its folder."""
        text = (TEMPLATES / template).read_text()
        for name, value in (("@RUN@", str(self.run)), ("@IP@", NODE_IP), ("@CGROUP@", cgroup)):
            text = text.replace(name, value)
        filled = self.run / template
        filled.write_text(text)
        return filled


def options(**given: object) -> list[str]:
    """``a_b=1`` → ``--a-b=1``; True stands alone."""
    return [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in given.items()]


def etcd(site: Site) -> list[str]:
    """Without fsync: nothing here outlives a crash of the machine."""
    peers = "http://127.0.0.1:2380"
    return [str(site.programs / "etcd"), *options(
        data_dir=site.run / "etcd", unsafe_no_fsync=True, log_level="warn", listen_client_urls=ETCD, advertise_client_urls=ETCD,
        listen_peer_urls=peers,
    )]  # fmt: skip


def apiserver(site: Site) -> list[str]:
    """With Node and RBAC authorisation, as in a real cluster."""
    pki = site.pki
    return [str(site.programs / "kube-apiserver"), *options(
        etcd_servers=ETCD, secure_port=site.port, advertise_address=NODE_IP, service_cluster_ip_range=SERVICES,
        authorization_mode="Node,RBAC", enable_admission_plugins="NodeRestriction", allow_privileged=True,
        client_ca_file=pki / "ca.crt", tls_cert_file=pki / "apiserver.crt", tls_private_key_file=pki / "apiserver.key",
        service_account_issuer="https://kubernetes.default.svc", service_account_key_file=pki / "sa.pub",
        service_account_signing_key_file=pki / "sa.key",
        kubelet_client_certificate=pki / "apiserver-kubelet.crt", kubelet_client_key=pki / "apiserver-kubelet.key",
        kubelet_preferred_address_types="InternalIP",
        requestheader_client_ca_file=pki / "ca.crt", requestheader_allowed_names="front-proxy",
        requestheader_username_headers="X-Remote-User", requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=pki / "front-proxy.crt", proxy_client_key_file=pki / "front-proxy.key",
    )]  # fmt: skip


def controller_manager(site: Site) -> list[str]:
    """With the provisioner that makes volumes as folders of this machine."""
    pki, config = site.pki, site.pki / "kcm.kubeconfig"
    return [str(site.programs / "kube-controller-manager"), *options(
        kubeconfig=config, authentication_kubeconfig=config, authorization_kubeconfig=config,
        use_service_account_credentials=True, service_account_private_key_file=pki / "sa.key", root_ca_file=pki / "ca.crt",
        cluster_signing_cert_file=pki / "ca.crt", cluster_signing_key_file=pki / "ca.key",
        allocate_node_cidrs=True, cluster_cidr=PODS, service_cluster_ip_range=SERVICES,
        enable_hostpath_provisioner=True, leader_elect="false", kube_api_qps=300, kube_api_burst=600,
    )]  # fmt: skip


def scheduler(site: Site) -> list[str]:
    """One, so it elects no leader."""
    config = site.pki / "scheduler.kubeconfig"
    return [str(site.programs / "kube-scheduler"), *options(
        kubeconfig=config, authentication_kubeconfig=config, authorization_kubeconfig=config,
        leader_elect="false", kube_api_qps=300, kube_api_burst=600,
    )]  # fmt: skip


def containerd(site: Site) -> list[str]:
    """Debian's."""
    return ["containerd", "--config", str(site.run / "containerd.toml")]


def coredns(site: Site) -> list[str]:
    """Beside the node's other processes; pods reach it by the Service ``kube-dns``."""
    return [str(site.programs / "coredns"), "-conf", str(site.run / "Corefile")]


def kubelet(site: Site) -> list[str]:
    """The node."""
    return [str(site.programs / "kubelet"), *options(
        config=site.run / "kubelet.yaml", kubeconfig=site.pki / "node.kubeconfig", root_dir=site.run / "kubelet",
        cert_dir=site.run / "kubelet" / "pki", hostname_override=NODE_NAME, node_ip=NODE_IP,
    )]  # fmt: skip


def proxy(site: Site) -> list[str]:
    """Services by iptables."""
    return [str(site.programs / "kube-proxy"), *options(config=site.run / "proxy.yaml", hostname_override=NODE_NAME)]
