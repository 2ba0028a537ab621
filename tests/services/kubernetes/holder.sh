#!/bin/bash
# holder.sh RUN NODE_IP: first process in a test cluster's namespaces. Lays the network and the mounts that a node needs, writes the
# name of the pods' cgroup into RUN/cgroup (the sign that all is laid), then waits, and reaps what is left to it.
set -euo pipefail
run=$1 ip=$2

lay_mounts() {
  mount --make-rshared /
  mount -t tmpfs tmpfs /run
  mkdir -p "$run/varlog" "$run/volumes" /tmp/hostpath_pv
  mount --bind "$run/varlog" /var/log
  mount --bind "$run/volumes" /tmp/hostpath_pv   # where the controller manager's provisioner makes volumes; not configurable
}

lay_network() {
  ip link set lo up
  ip link add node0 type bridge
  ip addr add "$ip/24" dev node0
  ip link set node0 up
  ip route add default dev node0
  sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
}

# The kubelet sets these for the whole machine; behind these mounts it finds them set, and the machine keeps its own.
shield_machine() {
  local key value
  while read -r key value; do
    echo "$value" > "$run/sysctl-$key"
    mount --bind "$run/sysctl-$key" "/proc/sys/${key//.//}"
  done <<< "vm.overcommit_memory 1
kernel.panic 10
kernel.panic_on_oops 1
kernel.keys.root_maxkeys 1000000
kernel.keys.root_maxbytes 25000000"
}

# A cgroup of its own for the pods: version 2 has one tree, version 1 a folder for each controller.
make_cgroup() {
  local name controller controllers folder file
  name=openbdc-test-$(stat -Lc %i /proc/self/ns/pid)
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p "/sys/fs/cgroup/$name"
    read -ra controllers < /sys/fs/cgroup/cgroup.controllers
    for controller in "${controllers[@]}"; do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control; done
  else
    for folder in /sys/fs/cgroup/*/; do
      mkdir -p "$folder/$name"
      for file in cpuset.cpus cpuset.mems; do [ ! -f "$folder/$file" ] || cat "$folder/$file" > "$folder/$name/$file"; done
    done
  fi
  echo "$name" > "$run/cgroup.part"; mv "$run/cgroup.part" "$run/cgroup"
}

lay_mounts; lay_network; shield_machine; make_cgroup
trap 'exit 0' TERM
while :; do sleep 3600 & wait $!; done
