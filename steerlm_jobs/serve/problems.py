"""What a caller is told whose request cannot be answered, as OpenAI's clients read it."""

from typing import Any


class RequestRefusedError(Exception):
    """The request cannot be answered; the message says what to change."""

    def __init__(
        self, message: str, *, field: str | None = None, status: int = 400, code: str | None = None
    ) -> None:
        """Say why.

        Args:
            message: One line: what, which value, what to do.
            field: The field of the request that is at fault.
            status: Of HTTP.
            code: A word for programs, where OpenAI has one.
        """
        super().__init__(message)
        self.field, self.status, self.code = field, status, code


class BusyError(RequestRefusedError):
    """Too many requests wait already, or the server is ending."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=503, code="server_busy")


def error_body(error: RequestRefusedError) -> dict[str, Any]:  # Any: JSON
    """Return the body of an answer with an error status."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {
        "error": {"message": str(error), "type": kind, "param": error.field, "code": error.code}
    }
