"""What runs inside the stage containers: `python -m steerlm_jobs <kind>`, one program a kind."""
