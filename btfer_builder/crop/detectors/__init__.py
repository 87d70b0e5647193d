"""Face detectors: functions from a photo to boxes and landmarks."""
