#!/bin/sh
# Starts a profile of compose.yaml after checking what would otherwise fail after a download of many gigabytes.
#   assets/deploy/up.sh lite|llm|imaging|full [observability] [options of `docker compose up`]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

fail() {
    echo "up.sh: $1" >&2
    exit "${2:-1}"
}

# What a variable is set to: in the environment, else in .env, as compose reads it.
value() {
    eval "set=\${$1-}"
    if [ -z "$set" ] && [ -f .env ]; then
        set=$(sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" .env | tail -n 1 | sed "s/^[\"']//; s/[\"'][[:space:]]*\$//")
    fi
    printf '%s' "$set"
}

profile=${1-}
case "$profile" in
    lite | llm | imaging | full) shift ;;
    *) fail "usage: up.sh lite|llm|imaging|full [observability] [options of docker compose up]" 2 ;;
esac
watched=
if [ "${1-}" = observability ]; then
    watched="--profile observability"
    shift
fi

case "$profile" in
    imaging | full) sh "$here/needs-x86-64.sh" ;;
esac
if [ "$profile" != lite ] && [ -z "$(value NGC_API_KEY)" ]; then
    fail "NGC_API_KEY is not set: NIM containers need it to download their models. Put it into .env."
fi
if [ "$profile" = full ]; then
    for name in STACK_MINIO_USER STACK_MINIO_PASSWORD; do
        [ -n "$(value "$name")" ] || fail "$name is not set: choose one for the store behind Milvus, and put it into .env."
    done
fi
if [ -n "$watched" ] && [ -z "$(value IMAGING_API_KEY)" ]; then
    fail "IMAGING_API_KEY is not set: Prometheus reads the workbench's metrics with it. Put one into .env."
fi
case "$(uname -m)" in
    aarch64 | arm64)
        if [ -z "$(value STACK_LLM_IMAGE)" ]; then
            STACK_LLM_IMAGE=nvcr.io/nim/meta/llama-3.1-8b-instruct-dgx-spark:latest
            export STACK_LLM_IMAGE
        fi
        ;;
esac
command -v docker >/dev/null || fail "docker is not installed. See docs.docker.com/engine/install."
docker compose version >/dev/null 2>&1 || fail "docker has no compose plugin, version 2.24 or newer. See docs.docker.com/compose/install."

# shellcheck disable=SC2086 # two words, or none
exec docker compose --profile "$profile" $watched up --detach --build "$@"
