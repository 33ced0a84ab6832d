"""Images -> training batches: facts, split, normalization, patches, augmentation."""
