"""distil within other programs; each module is imported by one of them, and never by distil."""
