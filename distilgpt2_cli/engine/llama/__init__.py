"""What wraps llama.cpp: its bindings, models, contexts and devices."""
