"""What the SDK makes of a store's answers: bodies that break off, and exceptions with a status."""

from __future__ import annotations

from botocore.exceptions import ClientError, FlexibleChecksumError, IncompleteReadError, ResponseStreamingError

from tests.faults.objects import Fault


class Body:
    """A streaming body that may break off."""

    def __init__(self, content: bytes, fault: Fault | None, *, checked: bool) -> None:
        self._content, self.fault, self._checked = content, fault, checked
        self.number = 0

    def read(self) -> bytes:
        match self.fault:
            case "reset":
                raise ResponseStreamingError(error=ConnectionResetError())
            case "short body":
                raise IncompleteReadError(actual_bytes=len(self._content) // 2, expected_bytes=len(self._content))
            case "flipped byte" if self._checked:
                raise FlexibleChecksumError(error_msg="the body's checksum is another")
            case "flipped byte":
                place = (len(self._content) // 3 + 7 * self.number) % len(self._content)  # never the same twice
                return self._content[:place] + bytes([self._content[place] ^ 1]) + self._content[place + 1 :]
            case _:
                return self._content


def refusal(status: int, code: str) -> ClientError:
    """The SDK's exception for an answer with this status."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "call")  # type: ignore[typeddict-item]


def status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
