"""Programs that others wrote, unmodified, beside `distil serve`."""
