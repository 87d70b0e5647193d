"""Find faces in photos and write them as square crops of one size."""
