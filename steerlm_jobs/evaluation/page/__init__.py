"""The report page: one HTML file without scripts or network, from figures to drawings."""
