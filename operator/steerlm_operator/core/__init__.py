"""Decisions as values: stage graph, configs, snapshot, plan, retry budgets, status.

Pure: no clock, no environment, no log, nothing that waits. The same for one machine and a cluster.
"""
