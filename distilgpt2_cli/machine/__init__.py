"""What this computer is: its processor, its graphics, and the right build of llama-cpp-python."""
