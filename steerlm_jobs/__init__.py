"""What runs inside the stage containers: one program per stage kind, `python -m steerlm_jobs <kind>`."""
