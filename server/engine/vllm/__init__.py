"""The engine that asks a model server over the OpenAI API: vLLM, or any other that speaks it."""

from server.engine.vllm.engine import VllmEngine

__all__ = ["VllmEngine"]
