"""One prompt for several models: shared words, one question about the price, videos side by side."""
