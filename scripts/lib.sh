# shellcheck shell=bash
# What the scripts share. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

# fail MESSAGE [STATUS]: one line on stderr, and the end.
fail() {
  echo "${0##*/}: error: $1" >&2
  exit "${2:-1}"
}

# Where nvcc is: as cmake/Cuda.cmake looks for it. Empty where there is none.
find_nvcc() {
  local candidate
  for candidate in "${CUDACXX:-}" "$(command -v nvcc || true)" "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" \
    "${CUDA_PATH:+$CUDA_PATH/bin/nvcc}" /usr/local/cuda/bin/nvcc; do
    if [[ -n $candidate && -x $candidate ]]; then
      echo "$candidate"
      return
    fi
  done
}

# Where nvcc is found CUDA must be built: a configuration without it is an error, not a smaller build.
cuda_option() {
  if [[ -n $(find_nvcc) ]]; then echo "-DSTAMPEDE_CUDA=ON"; else echo "-DSTAMPEDE_CUDA=AUTO"; fi
}

# Is there an NVIDIA driver?
has_driver() {
  nvidia-smi -L >/dev/null 2>&1 || [[ -e /proc/driver/nvidia/version ]] ||
    [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) == *libcuda.so.1* ]]
}

# The first GPU's compute capability as nvcc writes it, 90; empty where nvidia-smi names none.
gpu_capability() {
  local capability
  capability=$(nvidia-smi --id=0 --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ') || true
  if [[ $capability =~ ^[0-9]+$ ]]; then echo "$capability"; fi
}

# quietly LOG COMMAND...: runs it with its output in LOG, which is shown only if it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 && return
  local status=$?
  tail -n 40 "$log" >&2
  echo "${0##*/}: failed: $* (all of its output: $log)" >&2
  return "$status"
}

# json_value KEY FILE: a string or number of a JSON object of one level.
json_value() {
  sed -nE "s/.*\"$1\"[[:space:]]*:[[:space:]]*(\"([^\"]*)\"|([^][,{}\"[:space:]]+)).*/\2\3/p" "$2" | head -n 1
}
