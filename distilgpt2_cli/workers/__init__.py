"""Work done in chunks, in this process or in several with cores of their own."""
