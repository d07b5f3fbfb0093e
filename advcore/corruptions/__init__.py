"""Common corruptions of images: noise, blur, weather, digital, in five severities."""

from advcore.corruptions.corruption import Constants, Corruption
from advcore.corruptions.table import CORRUPTIONS, corrupt, corruption_named

__all__ = ["CORRUPTIONS", "Constants", "Corruption", "corrupt", "corruption_named"]
