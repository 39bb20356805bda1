"""Programs and libraries that use distil or its server; see ``make test-clients``."""
