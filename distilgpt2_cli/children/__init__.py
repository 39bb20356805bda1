"""Programs that `distil` runs in processes of their own."""
