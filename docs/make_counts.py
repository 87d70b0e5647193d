"""Write the counts of all networks, by building them: `make networks`."""

import csv
import io

from btfer_builder.networks import NETWORKS
from btfer_builder.networks.summary import COUNTS, Counts, Options, count_all


def counts_table() -> str:
    """Return the table of counts as CSV; it takes half a minute."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*Options.__dataclass_fields__, *Counts.__dataclass_fields__])
    for spec in NETWORKS.values():
        for size in spec.sizes:
            for options, counts in count_all(spec, size).items():
                rows = [getattr(options, name) for name in Options.__dataclass_fields__]
                table.writerow(rows + [getattr(counts, name) for name in Counts.__dataclass_fields__])
    return text.getvalue()


if __name__ == "__main__":
    COUNTS.write_text(counts_table(), encoding="utf-8")
