"""``distil map``: large inputs, computed in parts on a machine or a cluster."""

HELP = """\
Compute a result for each row of large files, on all cores of a machine or of a cluster.

The input is read from files or folders, here or at an address such as s3://bucket/folder: lines of
text, JSON Lines, CSV or Parquet. It is computed in parts, each a file in the folder of --output,
and after any interruption --resume goes on with the parts that are missing. The bytes are the same
however many workers and machines compute them. Ray starts and supervises them.
"""

EXAMPLES = """\b
Examples:
  distil map generate prompts.txt --output texts
  distil map score corpus/ --output scores --format parquet
  distil map features items.csv --column title --id sku --output vectors
"""

# As in the table of all commands.
COMMANDS = {
    "generate": ("generate", "Continue the text of each row."),
    "score": ("score", "Score the text of each row."),
    "features": ("features", "Compute the hidden states of the text of each row."),
}
