"""Files to volumes: the only place that opens DICOM, NIfTI, NRRD or MetaImage, and the last that sees a name."""

from workbench.imaging.read.ct import ReadCt, read_ct, survey
from workbench.imaging.read.limits import ReadLimits
from workbench.imaging.read.masks import read_mask

__all__ = ["ReadCt", "ReadLimits", "read_ct", "read_mask", "survey"]
