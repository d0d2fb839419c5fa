#!/bin/sh
# Ends with the reason where the imaging NIMs cannot run: their support matrices list x86-64 hosts with Ampere, Ada
# or Hopper GPUs (docs.nvidia.com/nim/medical/vista3d and .../maisi, support matrix).
machine=$(uname -m)
case "$machine" in
    x86_64 | amd64) exit 0 ;;
esac
cat >&2 <<TEXT
VISTA-3D and MAISI are published for x86-64 with Ampere, Ada or Hopper GPUs only; this machine is $machine.
Start the profile llm here, run the imaging NIMs on an x86-64 host, and set STACK_VISTA3D_URL, STACK_MAISI_URL and
STACK_EXCHANGE_URL in .env.
TEXT
exit 1
