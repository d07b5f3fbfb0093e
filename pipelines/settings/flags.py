"""Types of optional settings, whose help names the place-holder and no default of None."""

from typing import Annotated

import tyro

Address = Annotated[str | None, tyro.conf.arg(metavar="HOST:PORT", help_behavior_hint="")]
Folder = Annotated[str | None, tyro.conf.arg(metavar="FOLDER|s3://...", help_behavior_hint="")]
Uri = Annotated[str | None, tyro.conf.arg(metavar="URI", help_behavior_hint="")]
Limit = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")]
Count = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
