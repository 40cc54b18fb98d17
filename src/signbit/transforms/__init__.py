"""What happens to a tensor before it is binarized; each transform says whether it folds at export."""

from signbit.registry import Registry
from signbit.transforms.base import Transform

TRANSFORMS: Registry[type[Transform]] = Registry("transform")

__all__ = ["TRANSFORMS", "Transform"]
