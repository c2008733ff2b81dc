"""What an erasure means for keys: erasures carried out again after a restore, keys that expire, wrapping keys that are destroyed."""

from infrastructure.erasure.replaying import erase_again, replay

__all__ = ["erase_again", "replay"]
