"""Measurements that an engineer who distrusts vendors can repeat: engine, pipeline, glass to glass, soak."""
