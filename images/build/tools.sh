# Sourced by what installs packages: $tools, a folder with the locked tools that do it. It goes when the script ends, so that no image holds
# it, but where TOOLS names a place for it (in stages that only build). Not a stage of its own, mounted: buildah 1.28 mounts nothing where
# such a stage came out of its cache.
here=$(dirname "$0"); . "$here/network.sh"
work=$(mktemp -d) tools=${TOOLS:-$work/tools}
trap 'rm -rf "$work"' EXIT
if [ ! -x "$tools/bin/pip" ]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --no-deps --no-compile --require-hashes -r "$here/../locks/build.txt"
fi
