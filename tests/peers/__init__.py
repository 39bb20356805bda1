"""Other programs that compute the same; ``make peers`` runs them."""
