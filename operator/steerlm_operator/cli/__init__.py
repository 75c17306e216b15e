"""`steerlm` on the command line: reads arguments, calls `local`, prints. Decides nothing."""
