"""The leader's watch over gateways: who has been silent for too long (RULES A4).

Called by ingress (a push arrived), by the loop (ten times a second). Pure: time is an argument.
A new leader gives every gateway a whole lease, and so does one that was itself asleep, for then
the heartbeats are waiting unread in its own socket.
"""

from collections.abc import Iterable

from oms.bounds import GATEWAY_LEASE_NS, GATEWAYS_MAX

STALL_NS = GATEWAY_LEASE_NS // 4  # between two looks: this node slept, not the gateways


class Leases:
    """Last sign of life of each gateway, monotonic time."""

    def __init__(self) -> None:
        self._heard: dict[int, int] = {}
        self._looked_ns = 0

    def restart(self, gateway_ids: Iterable[int], now_ns: int) -> None:
        """On becoming leader: every gateway that has sessions gets a whole lease."""
        self._heard = dict.fromkeys(gateway_ids, now_ns)
        self._looked_ns = now_ns

    def heard(self, gateway_id: int, now_ns: int) -> bool:
        """Renew a lease. False: there are GATEWAYS_MAX others."""
        if gateway_id not in self._heard and len(self._heard) >= GATEWAYS_MAX:
            return False
        self._heard[gateway_id] = now_ns
        return True

    def expired(self, now_ns: int, *, is_reading: bool) -> list[int]:
        """Gateways whose lease ran out, in order; their leases are gone.

        `is_reading` is False while PULL is not read: then silence says nothing.
        """
        if not is_reading or now_ns - self._looked_ns > STALL_NS:
            self.restart(self._heard, now_ns)
            return []
        self._looked_ns = now_ns
        lost = sorted(
            gateway_id
            for gateway_id, heard_ns in self._heard.items()
            if now_ns - heard_ns > GATEWAY_LEASE_NS
        )
        for gateway_id in lost:
            del self._heard[gateway_id]
        return lost
