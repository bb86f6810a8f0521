"""What a manifest states of a shard, from its bytes."""

import hashlib
from typing import Any

TAIL_BYTES = 8


def facts_of(data: bytes) -> dict[str, Any]:
    """Sizes and hashes of a Parquet file, by their names in the manifest."""
    footer_bytes = int.from_bytes(data[-TAIL_BYTES:-4], "little") + TAIL_BYTES
    return {
        "bytes": len(data),
        "footer_bytes": footer_bytes,
        "footer_sha256": hashlib.sha256(data[-footer_bytes:]).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
