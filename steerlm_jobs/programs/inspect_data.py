"""`data inspect`: what a data source holds, before anything is trained on it."""


def print_inspection(uri: str, data_format: str, tokenizer: str | None, *, as_json: bool) -> None:
    """Print a table, or one JSON object.

    Raises:
        BadInputError: The source is missing, unreadable or not of this format.
    """
    from steerlm_jobs.data.inspect import run_inspect

    print(run_inspect(uri, data_format, tokenizer, as_json=as_json))
