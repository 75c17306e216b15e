"""One machine: the operator's planner over processes and a folder, not over Jobs and a store.

May wait and fail. Reads and writes the run's folder, starts and stops stage programs; decides
nothing: what to do next comes from `core.plan`.
"""
