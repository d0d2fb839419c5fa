"""What the workbench tells about itself: metrics and spans."""
