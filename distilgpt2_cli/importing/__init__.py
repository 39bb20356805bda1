"""GPT-2 checkpoints and LoRA adapters, as PyTorch's libraries save them, read into GGUF files."""
