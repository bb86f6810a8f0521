"""What a running Hub knows, what it has seen, and the switches of a test."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.hub.repository import RefusedError, Repository
from tests.range_server import Fault, Seen


@dataclass
class Alarm:
    """Calls a function once, at one moment of the Hub's life, before it goes on.

    Attributes:
        action: what to call, such as killing the client.
        after_bytes: when so many bytes of large objects have arrived; or:
        pattern: when a request "METHOD path" matches, before it is answered.
        after: with `pattern`: after its effect, before the answer.
    """

    action: Callable[[], None]
    after_bytes: int | None = None
    pattern: str | None = None
    after: bool = False
    rung: bool = False


@dataclass
class Hub:
    """Everything a running Hub knows, and the switches of a test.

    Attributes:
        tokens: token to role, "write" or "read"; others are refused with 401.
        token_facts: what `whoami` tells of a token besides its role, for fine-grained ones.
        part_bytes: objects above this size are uploaded in parts of this size.
        cdn_url: where large objects are redirected to, if it is not the Hub's own address.
        lying_sha256: report this SHA-256 for every large file in listings.
        latency_seconds: wait so long before every answer.
        bytes_per_second: take large objects no faster, each connection for itself.
        card_errors: what `validate-yaml` finds wrong with every card.
        offers_xet: hand out tokens for a Xet storage (which is not there).
        arrived_bytes: bytes of large objects as they arrive.
        received: path and bytes of every large-object body, whole or not, when it ends.
    """

    url: str = ""
    cdn_url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=lambda: {"hf_write": "write", "hf_read": "read"})
    token_facts: dict[str, dict[str, object]] = field(default_factory=dict)
    part_bytes: int = 5 << 20
    lying_sha256: str | None = None
    latency_seconds: float = 0.0
    bytes_per_second: float | None = None
    offers_xet: bool = False
    card_errors: list[str] = field(default_factory=list)
    arrived_bytes: int = 0
    alarms: list[Alarm] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    received: list[tuple[str, int]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def received_bytes(self) -> int:
        """Bytes of all large-object bodies received so far, kept or not."""
        return sum(size for _, size in self.received)

    def requests(self, pattern: str = "") -> list[str]:
        """All requests so far, as "METHOD path status", that match."""
        with self.lock:
            lines = [f"{seen.method} {seen.path} {seen.status}" for seen in self.seen]
        return [line for line in lines if re.search(pattern, line)]

    def ring(self, *, request: str | None = None, after: bool = False) -> None:
        """Call the alarms whose moment this is."""
        with self.lock:
            due = [alarm for alarm in self.alarms if not alarm.rung and self.is_due(alarm, request, after)]
            for alarm in due:
                alarm.rung = True
        for alarm in due:
            alarm.action()

    def is_due(self, alarm: Alarm, request: str | None, after: bool) -> bool:
        """Whether an alarm's moment is now."""
        if request is None:
            return alarm.after_bytes is not None and self.arrived_bytes >= alarm.after_bytes
        return alarm.pattern is not None and alarm.after == after and bool(re.search(alarm.pattern, request))

    def repository(self, name: str) -> Repository:
        """The repository of that name."""
        if name not in self.repositories:
            raise RefusedError(404, "RepoNotFound", f"Repository {name} not found")
        return self.repositories[name]

    def take_fault(self, method: str, path: str) -> Fault | None:
        """Return the first fault that still applies, and count it down."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, f"{method} {path}"):
                    fault.times -= 1
                    return fault
        return None
