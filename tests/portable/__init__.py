"""The portable build gives the same bytes on this processor and on emulated, older ones."""
