"""Files to volumes and back, slices, overlays, measurements and the phantom."""
