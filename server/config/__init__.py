"""Settings: read from ``hearth.toml``, checked, frozen.

The file is the first that exists of

1. ``--config FILE`` (must exist),
2. ``$HEARTH_CONFIG`` (must exist),
3. ``hearth.toml`` in the user's configuration directory (``~/.config/hearth/`` on Linux),
4. ``hearth.toml`` in the machine's configuration directory (``/etc/xdg/hearth/`` on Linux).

A ``hearth.toml`` in a work tree is never picked up by itself: a cloned repository could then name a model server of
its own choosing, and code would leave the building. Without any file every setting has its default.
"""

from server.config.launched import (
    Role,
    engine_directory,
    instance_name,
    launches,
    shares_completion,
    socket_path,
    with_launched_servers,
)
from server.config.launcher import GeneratingInstanceConfig, InstanceConfig, LauncherConfig
from server.config.loading import ConfigProblem, Document, LoadedConfig, check, find, load, read, structure
from server.config.oidc import OidcConfig
from server.config.reference import Setting, all_settings, effective
from server.config.settings import (
    AuditConfig,
    BenchmarksConfig,
    CompletionConfig,
    ContextConfig,
    DataConfig,
    EmbeddedConfig,
    EngineConfig,
    ExplainConfig,
    HearthConfig,
    HistoryConfig,
    LimitsConfig,
    LogConfig,
    ModelsConfig,
    ServerConfig,
    TlsConfig,
    TracingConfig,
    VllmConfig,
    default_data_directory,
)

__all__ = [
    "AuditConfig",
    "BenchmarksConfig",
    "CompletionConfig",
    "ConfigProblem",
    "ContextConfig",
    "DataConfig",
    "Document",
    "EmbeddedConfig",
    "EngineConfig",
    "ExplainConfig",
    "GeneratingInstanceConfig",
    "HearthConfig",
    "HistoryConfig",
    "InstanceConfig",
    "LauncherConfig",
    "LimitsConfig",
    "LoadedConfig",
    "LogConfig",
    "ModelsConfig",
    "OidcConfig",
    "Role",
    "ServerConfig",
    "Setting",
    "TlsConfig",
    "TracingConfig",
    "VllmConfig",
    "all_settings",
    "check",
    "default_data_directory",
    "effective",
    "engine_directory",
    "find",
    "instance_name",
    "launches",
    "load",
    "read",
    "shares_completion",
    "socket_path",
    "structure",
    "with_launched_servers",
]
