"""One prompt for several models: shared settings, one confirmation of the price, videos side by side."""
