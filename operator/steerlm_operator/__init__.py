"""What runs where and when: the API of a run, its planner, and the shells around it."""
