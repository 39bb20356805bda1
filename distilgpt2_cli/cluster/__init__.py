"""Rows of large inputs, computed in parts by actors of Ray on one machine or many."""
