"""The environment of a model server: only what it needs of ours, and never a switch that weakens it."""

from __future__ import annotations

from collections.abc import Mapping

_PASSED_ON = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "CC", "CXX", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
})  # fmt: skip
_PASSED_ON_BEGINNINGS = (
    "LC_", "XDG_", "CUDA_", "NVIDIA_", "NCCL_", "CUBLAS_", "HIP_", "ROCR_", "HSA_", "HF_", "OMP_", "MKL_", "KMP_",
    "TORCH", "PYTORCH_", "TRITON_", "FLASHINFER_", "VLLM_",
)  # fmt: skip

REFUSED = frozenset({
    "VLLM_SERVER_DEV_MODE",  # routes that reset caches, sleep and run any method
    "VLLM_ALLOW_INSECURE_SERIALIZATION",  # pickles from requests
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING",  # requests that name directories to load
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE",  # completions in the log
    "VLLM_LOGGING_CONFIG_PATH",  # a log elsewhere
    "VLLM_HOST_IP",
    "VLLM_API_KEY",  # Hearth sends the key of [engine.vllm] api_key_env, which is another variable
})  # fmt: skip
"""Variables that never reach a server."""


def inherited(ours: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of our environment that a server gets. Secrets of Hearth are not among them."""
    return {
        name: value
        for name, value in ours.items()
        if name not in REFUSED and (name in _PASSED_ON or name.startswith(_PASSED_ON_BEGINNINGS))
    }
