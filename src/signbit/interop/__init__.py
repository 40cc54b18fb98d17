"""The same network in other engines, for comparison and exchange."""

from signbit.interop.exchange import FILE_TYPES, exchange
from signbit.interop.peers import PEERS, Peer

__all__ = ["FILE_TYPES", "PEERS", "Peer", "exchange"]
