"""`python -m btfer_builder` is `btfer`."""

from btfer_builder.cli import main

main()
