"""The same network in other engines, for comparison and exchange."""

from signbit.interop.peers import PEERS, Peer

__all__ = ["PEERS", "Peer"]
