"""Search engines. A new engine is one module here and one entry in `SEARCH_ENGINES`."""

from btfer_builder.crawl.engines.baidu import BAIDU
from btfer_builder.crawl.engines.base import SearchEngine
from btfer_builder.crawl.engines.bing import BING
from btfer_builder.crawl.engines.flickr import FLICKR
from btfer_builder.crawl.engines.google import GOOGLE
from btfer_builder.crawl.engines.openverse import OPENVERSE
from btfer_builder.crawl.engines.wikimedia import WIKIMEDIA

SEARCH_ENGINES: dict[str, SearchEngine] = {
    engine.name: engine for engine in (OPENVERSE, WIKIMEDIA, FLICKR, BING, GOOGLE, BAIDU)
}
