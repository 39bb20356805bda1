"""What a billion tokens take with `distil map` on 1 to 1,000 cores; see ../scale.md.

Run it with figures of your own machine in their places.
"""

TOKENS = 1e9
START = 9.0  # seconds: Ray, then the actors with the model
READER = 1_000_000.0  # rows/s that are read, cut and packed, on one core
DRIVER = 0.004  # seconds of one core for a part, whose result it receives
ACTOR = 0.008  # seconds of a core for a part: taking, writing and reporting it

WORK = {  # tokens/s of a core with --parallel 16, by the command and the tokens of a row
    ("score", 20): 1320.0,
    ("score", 200): 1320.0,
    ("generate", 20): 690.0,
    ("generate", 200): 660.0,
}
CORES = (1, 10, 100, 1000)
PART_ROWS = (256, 1024, 4096)


def seconds(cores: int, row_tokens: int, rate: float, part_rows: int) -> tuple[float, str]:
    """Return how long a run takes, and what limits it.

    Args:
        cores: how many actors there are, each with a core of its own.
        row_tokens: tokens of a row.
        rate: tokens/s of a core.
        part_rows: rows of a part.
    """
    rows = TOKENS / row_tokens
    parts = rows / part_rows
    part = part_rows * row_tokens / rate + ACTOR
    limits = {
        "cores": parts * part / cores,
        "reader": rows / READER,
        "driver": parts * DRIVER,
    }
    limit = max(limits, key=limits.__getitem__)
    return START + limits[limit] + part, limit


def main() -> None:
    """Print a row for each kind of work and number of cores, with small parts where they do."""
    print("COMMAND   TOKENS  CORES  PART ROWS      TIME  LIMIT   CORE-HOURS")
    for (command, row_tokens), rate in WORK.items():
        for cores in CORES:
            times = {rows: seconds(cores, row_tokens, rate, rows) for rows in PART_ROWS}
            enough = 1.01 * min(time for time, _ in times.values())
            part_rows = next(rows for rows, (time, _) in times.items() if time <= enough)
            time, limit = times[part_rows]
            print(
                f"{command:8}  {row_tokens:6}  {cores:5}  {part_rows:9}  {time / 3600:6.2f} h"
                f"  {limit:6}  {cores * time / 3600:10.0f}"
            )


if __name__ == "__main__":
    main()
