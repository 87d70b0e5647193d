"""The engines: one file each. A new search engine is one file here and one line in `SEARCH_ENGINES`."""

from btfer_builder.crawl.engines.bing import BING
from btfer_builder.crawl.icrawler import SearchEngine

SEARCH_ENGINES: dict[str, SearchEngine] = {BING.name: BING}
