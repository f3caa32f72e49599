"""Running vLLM: from the settings to command lines (``plan``), processes (``process``, ``guard``) and their care."""
