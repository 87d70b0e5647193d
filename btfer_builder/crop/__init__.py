"""Find faces in photos and cut them out as square crops of one size."""
