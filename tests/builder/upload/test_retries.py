"""What an upload says of failures: the reason, and nothing that lets others in."""

from builder.upload.retries import failure_reason


def test_the_signature_of_an_address_is_not_repeated() -> None:
    cause = RuntimeError("PUT https://storage.example/x?X-Amz-Signature=secret&Expires=9 failed")
    error = OSError("upload failed")
    error.__cause__ = cause
    assert failure_reason(error) == "RuntimeError: PUT https://storage.example/x?... failed"
    assert failure_reason(cause) == "RuntimeError: PUT https://storage.example/x?... failed"
