"""Where examples come from: folders, CSV files, TFDS, TFRecords, the drawn world."""
