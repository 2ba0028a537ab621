# Sourced by the other scripts: how this machine reaches the package registries. Given as build secrets (scripts/images.sh), so that
# neither an address nor a certificate of the building machine stays in a layer.
if [ -f /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi
if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca REQUESTS_CA_BUNDLE=/run/secrets/ca; fi
if [ -f /run/secrets/apt ]; then export APT_CONFIG=/run/secrets/apt; fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off
export PIP_CACHE_DIR=/var/cache/pip  # a cache mount of the build: it stays out of the layers
