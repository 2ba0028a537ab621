"""The test cluster's node: real pods, volumes, Services, names, and both ways between the test and the pods."""

from __future__ import annotations

import http.server
import threading
import urllib.request
from collections.abc import Callable

import pytest

from tests.kubernetes.test_api import eventually
from tests.services.kubernetes import Node
from tests.services.kubernetes.images import PYTHON

pytestmark = pytest.mark.kubernetes
SPACE = "own-node"
WEB = f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: web, namespace: {SPACE}}}
spec:
  serviceName: web
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: {PYTHON}
        imagePullPolicy: Never
        command: [sh, -c, "echo $HOSTNAME >> /data/index.html; exec python3 -u -m http.server -d /data 8080"]
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{httpGet: {{port: 8080, path: /}}, periodSeconds: 1}}
        volumeMounts: [{{name: data, mountPath: /data}}]
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 10Mi}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: {SPACE}}}
spec: {{clusterIP: None, selector: {{app: web}}, ports: [{{port: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: front, namespace: {SPACE}}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""
GET = "import sys,urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode().strip())"


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def web(kubernetes_node: Node) -> Node:
    kubernetes_node.kubectl("create", "namespace", SPACE)
    kubernetes_node.kubectl("apply", "-f", "-", stdin=WEB)
    kubernetes_node.kubectl("rollout", "status", "statefulset/web", "-n", SPACE, "--timeout=110s")
    return kubernetes_node  # the namespace goes with the node


def asked_in_pod(node: Node, address: str) -> str:
    return node.kubectl("exec", "-n", SPACE, "web-0", "--", "python3", "-c", GET, address).strip()


def says(ask: Callable[[], str], *names: str) -> None:
    """In the end: names and Services learn of a pod some seconds after it is ready. Any other answer is wrong at once."""

    def said() -> bool:
        try:
            answer = ask().strip()
        except (OSError, RuntimeError, LookupError):
            return False
        assert answer in names
        return True

    eventually(said, f"none of {', '.join(names)} answered")


def test_pods_find_each_other_by_name(web: Node) -> None:
    says(lambda: asked_in_pod(web, "http://web-1.web:8080/"), "web-1")
    says(lambda: asked_in_pod(web, f"http://front.{SPACE}.svc.cluster.local/"), "web-0", "web-1")


def test_the_test_reaches_services_and_pods(web: Node) -> None:
    says(lambda: get(web.reach_service(SPACE, "front", 80)), "web-0", "web-1")
    says(lambda: get(web.reach_service(SPACE, "web", 8080)), "web-0", "web-1")


def test_pods_reach_a_server_of_the_test(web: Node) -> None:
    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from the test")

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = web.expose(server.server_port)
        assert asked_in_pod(web, f"http://{host}:{port}/") == "from the test"
        server.shutdown()


def test_a_killed_pod_finds_its_volume_again(web: Node) -> None:
    before = web.get("pod", "web-1", "-n", SPACE)["metadata"]["uid"]
    web.kubectl("delete", "pod", "web-1", "-n", SPACE, "--grace-period=0", "--force")
    eventually(lambda: ready_again(web, before), "web-1 did not come back")
    assert web.kubectl("exec", "-n", SPACE, "web-1", "--", "cat", "/data/index.html").split() == ["web-1", "web-1"]


def ready_again(node: Node, before: str) -> bool:
    pods = [pod for pod in node.get("pods", "-n", SPACE)["items"] if pod["metadata"]["name"] == "web-1"]
    conditions = [c for pod in pods if pod["metadata"]["uid"] != before for c in pod["status"].get("conditions", [])]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def test_memory_limits_hold(web: Node) -> None:
    overrides = """{"spec": {"containers": [{"name": "greedy", "image": "IMAGE", "imagePullPolicy": "Never",
      "command": ["python3", "-c", "x = bytearray(300 << 20)"], "resources": {"limits": {"memory": "64Mi"}}}]}}"""
    web.kubectl("run", "greedy", "-n", SPACE, "--image", PYTHON, "--restart=Never", "--overrides", overrides.replace("IMAGE", PYTHON))

    def reason() -> str:
        statuses = web.get("pod", "greedy", "-n", SPACE)["status"].get("containerStatuses", [])
        return "".join(status["state"].get("terminated", {}).get("reason", "") for status in statuses)

    eventually(lambda: reason() == "OOMKilled", "the container was not killed")
