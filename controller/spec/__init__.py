"""The spec of a cluster: model, reading with lines, rules, ports, editing, schema and reference page."""

from controller.spec.model import API_VERSION, KIND, ClusterSpec
from controller.spec.parse import check_spec, dump_spec, load_spec
from controller.spec.ports import PortNumbers, port_numbers, with_base

__all__ = [
    "API_VERSION",
    "KIND",
    "ClusterSpec",
    "PortNumbers",
    "check_spec",
    "dump_spec",
    "load_spec",
    "port_numbers",
    "with_base",
]
