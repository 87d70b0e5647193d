"""Find the same photo twice: exact and near duplicates, mirrored ones, and photos found under two emotions."""
