"""What every stage program has while it runs: a stop flag, its progress, its notes, its threads.

No stage, model or data knowledge here: a stage gets all of it as one `StageContext`.
"""
